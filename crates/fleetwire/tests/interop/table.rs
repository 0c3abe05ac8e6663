//! The tables of docs/devices.md: what was measured, between two markers.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::play::Report;
use crate::saw::Saw;
use crate::scenario::{Client, Version, Way};

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
    let ways = Way::ALL.map(Way::name).join(" | ");
    let mut text = format!("| client | MQTT | {ways} |\n|---|---|{}\n", "---|".repeat(Way::ALL.len()));
    for client in Client::ALL {
        for version in Version::ALL {
            let cells = Way::ALL.map(|way| {
                if let Some(reason) = client.cannot(way.transport, version) {
                    return format!("- ({})", note(&mut notes, reason));
                }
                let found = judged.iter().find(|(report, _)| {
                    let scenario = &report.scenario;
                    (scenario.client, scenario.way(), scenario.version) == (client, way, version)
                });
                let holds = found.is_some_and(|(_, faults)| faults.is_empty());
                if holds { "yes".to_owned() } else { "NO".to_owned() }
            });
            let name = library(judged, client);
            writeln!(text, "| {name} | {} | {} |", version.name(), cells.join(" | ")).unwrap();
        }
    }
    if !notes.is_empty() {
        let notes: Vec<String> =
            notes.iter().enumerate().map(|(at, reason)| format!("({}) {reason}.", at + 1)).collect();
        write!(text, "\n{}\n", notes.join(" ")).unwrap();
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
    let mut of_client = judged.iter().filter(|(report, _)| report.scenario.client == client);
    let version = of_client.find_map(|(report, _)| report.saw.as_ref().ok());
    // The tools of the system have the version that the system has.
    let own = if client == Client::Mosquitto { None } else { version };
    format!("{} {}", client.name(), own.map_or("", |saw| &saw.library)).trim_end().to_owned()
}

/// How each client tells of it.
fn words(judged: &[(Report, Vec<String>)]) -> String {
    let mut text =
        "| client | MQTT | a wrong password | a subscription to `#` | it shows its user |\n|---|---|---|---|---|\n".to_owned();
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
            let mut shown = Vec::new();
            if saws().any(|saw| saw.limit("Receive Maximum").is_some()) {
                shown.push("the session's limits");
            }
            if saws().any(|saw| saw.session_present.is_some_and(|present| present[1])) {
                shown.push("Session Present");
            }
            let (client, version, shown) = (client.name(), version.name(), shown.join(", "));
            writeln!(text, "| {client} | {version} | {password} | {refused} | {shown} |").unwrap();
        }
    }
    text
}
