//! Scaling under load, short; `make scale-test` is the long one.

use std::path::PathBuf;
use std::time::Duration;

use fleetwire_benches::scale::{self, Outcome, Scenario, Settings, compare};

fn short(scenario: Scenario, seed: u64) -> Outcome {
    let settings = Settings {
        devices: 40,
        rate: 150,
        partitions: 4,
        pause: Duration::from_millis(500),
        reconnect_every: Duration::from_secs(2),
        grace: Duration::from_secs(5),
        session_timeout: Some(Duration::from_millis(1500)),
        verbose: false,
        ..Settings::new(PathBuf::from(env!("CARGO_BIN_EXE_fleetwire")), seed)
    };
    scale::run(&settings, scenario).unwrap()
}

#[test]
fn decoders_that_come_go_and_die_under_load_leave_nothing_out() {
    let mut outcome = short(Scenario::Decoders, 1);
    assert!(outcome.holds(), "{outcome}");
    assert_eq!(outcome.report.acknowledged, outcome.report.published, "{outcome}");
    assert_eq!(outcome.steps.len(), 4);
    // And the checker would have seen it.
    outcome.ledger.pretend_acknowledged(7);
    let report = compare(&outcome.ledger, &outcome.stored, &outcome.positions, false);
    assert_eq!((report.missing, report.undecoded), (1, 1));
    assert!(!report.holds());
}

#[test]
fn devices_of_frontends_that_come_go_and_die_are_spread_again_and_lose_nothing() {
    let outcome = short(Scenario::Frontends, 2);
    assert!(outcome.holds(), "{outcome}");
    assert_eq!(outcome.report.acknowledged, outcome.report.published, "{outcome}");
    // Half of the devices speak MQTT 5, and one of the frontends that stopped referred to another.
    assert!(outcome.report.sent_elsewhere > outcome.report.referred, "{outcome}");
    assert!(outcome.report.referred > 0, "{outcome}");
}
