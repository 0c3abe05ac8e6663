//! The tables of docs/devices.md: what was measured, between two markers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::play::Report;
use crate::saw::Saw;
use crate::scenario::{Client, Transport, Version};

const BEGIN: &str =
    "<!-- interoperability: written by the test `interop`; see crates/fleetwire/tests/interop -->\n";
const END: &str = "<!-- end of interoperability -->\n";
/// Set it to write the tables instead of comparing them.
const REWRITE: &str = "FLEETWIRE_INTEROP_WRITE";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/devices.md")
}

/// Compares the committed tables with what was measured, or writes them.
pub(crate) fn settle(measured: &str) {
    let page = page();
    let text = std::fs::read_to_string(&page).unwrap();
    let begin = text.find(BEGIN).expect("docs/devices.md has the first marker") + BEGIN.len();
    let end = text.find(END).expect("docs/devices.md has the last marker");
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&page, format!("{}{measured}{}", &text[..begin], &text[end..])).unwrap();
    } else {
        let committed = &text[begin..end];
        assert!(
            committed == measured,
            "docs/devices.md does not say what was measured; with {REWRITE}=1 the test writes it.\n\
             Measured:\n{measured}\nCommitted:\n{committed}"
        );
    }
}

/// The tables of these reports, whose faults are given beside them.
pub(crate) fn text(judged: &[(Report, Vec<String>)]) -> String {
    let mut text = verdicts(judged);
    text.push('\n');
    text.push_str(&words(judged));
    text
}

/// Each client in each version over each transport.
fn verdicts(judged: &[(Report, Vec<String>)]) -> String {
    let mut notes: Vec<&str> = Vec::new();
    let transports = Transport::ALL.map(Transport::name).join(" | ");
    let mut text = format!("| client | MQTT | {transports} |\n|---|---|---|---|---|---|\n");
    for client in Client::ALL {
        for version in Version::ALL {
            let cells = Transport::ALL.map(|transport| {
                if let Some(reason) = client.cannot(transport, version) {
                    return format!("- ({})", note(&mut notes, reason));
                }
                let found = judged.iter().find(|(report, _)| {
                    let scenario = &report.scenario;
                    (scenario.client, scenario.transport, scenario.version) == (client, transport, version)
                });
                match found {
                    Some((_, faults)) if faults.is_empty() => "yes".to_owned(),
                    Some(_) => "NO".to_owned(),
                    None => format!("- ({})", note(&mut notes, "not served yet")),
                }
            });
            let name = library(judged, client);
            text.push_str(&format!("| {name} | {} | {} |\n", version.name(), cells.join(" | ")));
        }
    }
    if !notes.is_empty() {
        let notes: Vec<String> =
            notes.iter().enumerate().map(|(at, reason)| format!("({}) {reason}.", at + 1)).collect();
        text.push_str(&format!("\n{}\n", notes.join(" ")));
    }
    text
}

/// The number of a footnote.
fn note<'a>(notes: &mut Vec<&'a str>, reason: &'a str) -> usize {
    let at = notes.iter().position(|known| *known == reason).unwrap_or(notes.len());
    if at == notes.len() {
        notes.push(reason);
    }
    at + 1
}

/// A client with its version.
fn library(judged: &[(Report, Vec<String>)], client: Client) -> String {
    let of_client = judged.iter().filter(|(report, _)| report.scenario.client == client);
    let version = of_client.filter_map(|(report, _)| report.saw.as_ref().ok()).next();
    format!("{} {}", client.name(), version.map_or("", |saw| &saw.library))
}

/// How each client tells of it.
fn words(judged: &[(Report, Vec<String>)]) -> String {
    let mut text =
        "| client | MQTT | a wrong password | a subscription to `#` |\n|---|---|---|---|\n".to_owned();
    for client in Client::ALL {
        for version in Version::ALL {
            let saws = || {
                let wanted = move |report: &&Report| {
                    (report.scenario.client, report.scenario.version) == (client, version)
                };
                judged
                    .iter()
                    .map(|(report, _)| report)
                    .filter(wanted)
                    .filter_map(|report| report.saw.as_ref().ok())
            };
            if saws().next().is_none() {
                continue;
            }
            let told = |of: fn(&Saw) -> Option<&String>| {
                let different: BTreeSet<&str> =
                    saws().map(|saw| of(saw).map_or("nothing", |words| words)).collect();
                different
                    .into_iter()
                    .map(|words| format!("`{}`", words.replace('`', "'")))
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let password = told(|saw| saw.wrong_password.as_ref());
            let refused = told(|saw| saw.refused.as_ref());
            text.push_str(&format!("| {} | {} | {password} | {refused} |\n", client.name(), version.name()));
        }
    }
    text
}
