//! The loss checker, short; `make loss-test` is the long one.

use std::path::PathBuf;
use std::time::Duration;

use fleetwire_benches::loss::{self, Settings, Victim, compare};

fn short(victim: Victim, kills: u32, seed: u64) -> Settings {
    Settings {
        devices: 20,
        rate: 1000,
        pause: Duration::from_secs(1),
        verbose: false,
        ..Settings::new(PathBuf::from(env!("CARGO_BIN_EXE_fleetwire")), victim, kills, seed)
    }
}

#[test]
fn a_killed_frontend_loses_nothing_that_it_acknowledged() {
    let mut outcome = loss::run(&short(Victim::Frontend, 3, 3)).unwrap();
    let report = outcome.report;
    assert!(report.holds(), "{report}");
    assert_eq!(report.acknowledged, report.published, "{report}");
    assert!(report.sent_again > 0 && report.sessions >= 20, "nothing was interrupted: {report}");
    // And the checker would have seen it.
    outcome.ledger.pretend_acknowledged(7);
    let report = compare(&outcome.ledger, &outcome.stored);
    assert_eq!(report.missing, 1);
    assert!(!report.holds());
}

#[test]
fn a_drained_frontend_loses_nothing_that_it_acknowledged() {
    let report = loss::run(&short(Victim::Drained, 2, 4)).unwrap().report;
    assert!(report.holds(), "{report}");
    assert_eq!(report.acknowledged, report.published, "{report}");
}
