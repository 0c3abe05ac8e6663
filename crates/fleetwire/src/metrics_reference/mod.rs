//! `fleetwire metrics`: the reference of all metrics, from their own declarations.

use anyhow::Result;
use clap::Args;
use fleetwire_service::exit::Exit;
use fleetwire_service::metrics::Section;

const BEFORE: &str = include_str!("before.md");
const AFTER: &str = include_str!("after.md");

/// Print the reference of all metrics, as Markdown: name, type, labels, meaning, and when to worry.
///
/// docs/metrics.md is a copy of it. Processes serve the metrics themselves at /metrics of their admin address.
#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {}

#[expect(clippy::print_stdout, reason = "the reference is the answer of the command")]
#[expect(clippy::unnecessary_wraps, reason = "as every command")]
pub(crate) fn metrics(_: &MetricsArgs) -> Result<Exit> {
    print!("{}", reference());
    Ok(Exit::Done)
}

/// The whole page.
fn reference() -> String {
    let mut page = BEFORE.to_owned();
    for section in sections() {
        page.push('\n');
        section.write(&mut page);
    }
    page.push('\n');
    page.push_str(AFTER);
    page
}

/// All sections, in the order of the page.
fn sections() -> impl Iterator<Item = Section> {
    let parts = [
        fleetwire_service::metrics::SECTION,
        fleetwire_frontend::METRICS,
        fleetwire_decoder::METRICS,
        fleetwire_gateway::METRICS,
        fleetwire_gaps::METRICS,
        fleetwire_state::METRICS,
        fleetwire_held::METRICS,
        fleetwire_registry::METRICS,
        fleetwire_trace::METRICS,
        fleetwire_api::METRICS,
    ];
    parts.into_iter().chain(fleetwire_kafka::METRICS.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_rules() {
        let mut seen = BTreeSet::new();
        for metric in sections().flat_map(|section| section.all().collect::<Vec<_>>()) {
            let name = metric.name;
            assert!(seen.insert(name), "{name} is declared twice");
            let is_counter = metric.kind == fleetwire_service::metrics::Kind::Counter;
            assert_eq!(
                name.ends_with("_total"),
                is_counter,
                "{name}: counters, and only they, end in _total"
            );
            assert!(name.starts_with("fleetwire_") || name.starts_with("process_"), "{name}");
            assert!(metric.help.ends_with('.'), "{name}: its meaning is no sentence");
            for text in [metric.help, metric.worry] {
                assert!(!text.contains(" | ") && !text.contains('\n'), "{name}: it is in a table");
            }
        }
    }

    #[test]
    fn links_lead_to_headings_of_the_page_or_to_other_pages() {
        let page = reference();
        let anchors: BTreeSet<String> = page
            .lines()
            .filter_map(|line| {
                line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
            })
            .map(|heading| heading.to_lowercase().replace(' ', "-"))
            .collect();
        for link in page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(anchors.contains(link), "#{link} leads nowhere");
        }
    }
}
