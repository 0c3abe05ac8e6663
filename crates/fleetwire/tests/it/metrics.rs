//! Metrics: the page that describes them is the code's, and what processes expose is on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::{PASSWORD, Publish, Run, fleetwire, get, metric, output, stdout, until, vector};

/// One row of the page.
#[derive(Debug)]
struct Row {
    kind: String,
    labels: String,
}

/// The page of this binary.
fn page() -> String {
    stdout(&output(&["metrics"]))
}

/// Its tables, by the metric's name.
fn rows(page: &str) -> BTreeMap<String, Row> {
    let cells = |line: &str| line.split(" | ").map(str::to_owned).collect::<Vec<_>>();
    let rows =
        page.lines().filter(|line| line.starts_with("| `fleetwire_") || line.starts_with("| `process_"));
    rows.map(|line| {
        let cells = cells(line);
        let name = cells[0].trim_start_matches("| `").trim_end_matches('`').to_owned();
        (name, Row { kind: cells[1].split(',').next().unwrap().to_owned(), labels: cells[2].clone() })
    })
    .collect()
}

/// Names of exposed metrics with their type, and with each label's values.
fn exposed(text: &str) -> BTreeMap<String, (String, BTreeMap<String, BTreeSet<String>>)> {
    let mut found: BTreeMap<String, (String, BTreeMap<String, BTreeSet<String>>)> = BTreeMap::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
            found.insert(name.to_owned(), (kind.to_owned(), BTreeMap::new()));
        } else if !line.is_empty() && !line.starts_with('#') {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let base = base.filter(|base| found.contains_key(*base)).unwrap_or(name);
            let labels = labels.trim_end_matches('}');
            for label in labels.split("\",").filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap();
                let values = found.get_mut(base).unwrap().1.entry(label.to_owned()).or_default();
                values.insert(value.trim_end_matches('"').to_owned());
            }
        }
    }
    found
}

/// Looks for what a process exposes that the page does not say.
fn compare(text: &str, page: &str) {
    let rows = rows(page);
    let words = |name: &str| {
        let heading = page.split("### ").find(|part| part.contains(&format!("\n| `{name}` | meaning |")));
        heading.unwrap_or_default().to_owned()
    };
    for (name, (kind, labels)) in exposed(text) {
        let row = rows.get(&name).unwrap_or_else(|| panic!("{name} is exposed and not on the page"));
        assert_eq!(row.kind, kind, "{name}");
        for (label, values) in labels.iter().filter(|(label, _)| *label != "le") {
            let part = row
                .labels
                .split("; `")
                .find(|part| part.trim_start_matches('`').starts_with(&format!("{label}`")));
            let part = part.unwrap_or_else(|| panic!("{name}: label {label} is not on the page"));
            let listed = part.split_once(": `").is_some();
            let long = if part.contains("see [") { words(label) } else { String::new() };
            for value in values {
                let word = format!("`{value}`");
                let is_there = if long.is_empty() { part.contains(&word) } else { long.contains(&word) };
                assert!(
                    is_there || (!listed && long.is_empty()),
                    "{name}: {label}={value} is not on the page"
                );
            }
        }
    }
}

#[test]
fn the_page_that_is_checked_in_is_made_from_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let made = page();
    if std::env::var_os("FLEETWIRE_UPDATE_METRICS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == made,
        "docs/metrics.md is not what the code declares; write it anew with `fleetwire metrics >docs/metrics.md`, \
         or run this test with FLEETWIRE_UPDATE_METRICS=1"
    );
}

#[test]
fn a_pipeline_exposes_what_the_page_describes_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    let mut simulate = fleetwire(&["simulate", "--devices", "5", "--interval", "0s", "--messages", "100"]);
    simulate.args(run.flags()).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
    assert!(stdout(&simulate.output().unwrap()).contains("100 acknowledged"));
    let payload = vector();
    let wrong = Publish { password: "wrong", ..Publish::sample(&payload) }.to(run.mqtt);
    assert!(!wrong.status.success());
    let poison = Publish::sample(b"no payload of any device").to(run.mqtt);
    assert!(poison.status.success(), "{poison:?}");
    until("the poisoned payload is decoded, and positions are in Kafka", || {
        let done = metric(run.admin, "fleetwire_decoder_completed_total", "") >= 101.0;
        (done && metric(run.admin, "fleetwire_state_written_total", "") >= 1.0).then_some(())
    });

    until("nothing waits any more", || {
        let lag = |name: &str| metric(run.admin, name, "");
        (lag("fleetwire_kafka_lag_records") + lag("fleetwire_kafka_lag_seconds") < 0.001).then_some(())
    });
    let page = page();
    let (_, text) = get(run.admin, "/metrics");
    compare(&text, &page);
    let exposed = exposed(&text);
    for (name, row) in rows(&page) {
        // With a label and no word from the start, or of what a pipeline on an embedded log has not.
        let may_be_absent = (!row.labels.is_empty() && !row.labels.contains("from the start"))
            || ABSENT.iter().any(|prefix| name.starts_with(prefix));
        assert!(may_be_absent || exposed.contains_key(&name), "{name} is on the page and not exposed");
    }
    // One for each publish.
    assert!((metric(run.admin, "fleetwire_frontend_puback_seconds_count", "") - 101.0).abs() < 0.5);
    assert!((metric(run.admin, "fleetwire_decoder_end_to_end_seconds_count", "") - 101.0).abs() < 0.5);
    let stored = "account=\"bce_device\",qos=\"1\",outcome=\"stored\"";
    assert!((metric(run.admin, "fleetwire_frontend_account_publishes_total", stored) - 101.0).abs() < 0.5);
    assert!(metric(run.admin, "process_resident_memory_bytes", "") > 1e6);
    run.process.stop();
}

/// What `fleetwire run` does not start: the gap ledger, and the export of spans without a collector.
const ABSENT: &[&str] = &["fleetwire_gaps_", "fleetwire_trace_spans_"];

#[test]
fn the_exposition_does_not_grow_with_the_number_of_devices() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    let series = |devices: &str| {
        let mut simulate =
            fleetwire(&["simulate", "--devices", devices, "--interval", "0s", "--messages", "600"]);
        simulate.args(run.flags()).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
        assert!(stdout(&simulate.output().unwrap()).contains("600 acknowledged"));
        let (_, text) = get(run.admin, "/metrics");
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count()
    };
    let few = series("2");
    let many = series("300");
    assert!(many <= few + 20, "{few} series with 2 devices, {many} with 300");
    let (_, text) = get(run.admin, "/metrics");
    assert!(text.len() < 300_000, "{} bytes", text.len());
    run.process.stop();
}
