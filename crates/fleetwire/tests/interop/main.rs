//! Real clients against the real binary: every client on every transport in every version of MQTT that it has.
//!
//! `clients/plan.py` tells what each of them does, `judge.rs` what must come of it, and `docs/devices.md` shows
//! the result, which this test keeps true.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod certificates;
mod foreign;
mod judge;
mod mosquitto;
mod pipeline;
mod play;
mod rumqttc_client;
mod saw;
mod scenario;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod support;
mod table;

use crate::pipeline::Pipeline;
use crate::play::Report;

#[test]
fn every_client_gets_in_is_acknowledged_and_finds_its_publishes_stored() {
    let judged = [played(false), played(true)].concat();
    let faulty = judged.iter().filter(|(_, faults)| !faults.is_empty());
    let told: Vec<String> =
        faulty.map(|(report, faults)| format!("{}\n  {}", report.scenario.id, faults.join("\n  "))).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    table::settle(&table::text(&judged));
}

/// Plays one half of the matrix, with client certificates or without, against a pipeline of its own. Beside each
/// report stands what is wrong with it.
fn played(certificate: bool) -> Vec<(Report, Vec<String>)> {
    let pipeline = Pipeline::start(certificate);
    let mut scenarios = scenario::matrix(certificate);
    pipeline.prepare(&mut scenarios, certificate);
    let played = play::all(&scenarios);
    drop(played.standing);
    let raw = pipeline.raw(played.reports.len() * judge::RECORDS);
    let judge = |report: Report| {
        let faults = judge::faults(&report, &raw);
        (report, faults)
    };
    let judged = played.reports.into_iter().map(judge).collect();
    pipeline.stop();
    judged
}
