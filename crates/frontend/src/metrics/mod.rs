//! Metrics of the frontend; docs/metrics.md lists them.

mod answers;
mod door;
mod ingest;
mod logins;
mod words;

use fleetwire_service::metrics::Section;

pub use door::DoorMetrics;
pub use ingest::IngestMetrics;
pub use logins::LoginMetrics;

use crate::{canary, downlink, presence, proofs, revoked, session_metrics, strangers};

/// Metrics of the frontend.
pub const SECTION: Section = Section {
    title: "Frontend",
    intro: "",
    metrics: &[
        door::METRICS,
        logins::METRICS,
        proofs::METRICS,
        revoked::METRICS,
        strangers::METRICS,
        answers::METRICS,
        ingest::METRICS,
        session_metrics::METRICS,
        downlink::METRICS,
        fleetwire_downlink::METRICS,
        presence::METRICS,
        canary::METRICS,
    ],
    words: &[words::RESULTS, words::REASONS],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::time::Instant;

    use fleetwire_mqtt::TurnedAway;
    use fleetwire_registry::Accounts;
    use fleetwire_registry::account::WellKnown;
    use fleetwire_service::metrics::{Metric, undeclared};

    use super::*;
    use crate::proofs::ProofMetrics;
    use crate::session_metrics::MessageMetrics;
    use crate::strangers::{Limit, StrangerLimits, Strangers};

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let accounts = Accounts::load(&BTreeMap::new(), WellKnown::Default, |_| Ok::<_, Infallible>(None));
        let accounts = accounts.unwrap();
        let make = || {
            drop((DoorMetrics::new([]), LoginMetrics::new(), LoginMetrics::forgotten("pair")));
            drop((IngestMetrics::new(), MessageMetrics::new(), ProofMetrics::new(&accounts)));
            drop((revoked::counters(), Strangers::new(StrangerLimits::default(), Instant::now())));
            presence::make_metrics();
            canary::make_metrics();
            downlink::make_metrics();
            fleetwire_downlink::METRICS.iter().for_each(Metric::describe);
        };
        assert_eq!(undeclared(&[SECTION], make), [""; 0]);
    }

    #[test]
    fn the_words_of_labels_are_those_that_are_counted() {
        let words = |name: &str| {
            let metric = SECTION.all().find(|metric| metric.name.ends_with(name)).unwrap();
            metric.labels.last().unwrap().words.to_vec()
        };
        assert_eq!(words("_turned_away_total"), TurnedAway::ALL.map(TurnedAway::code));
        assert_eq!(words("_unactivated_refused_total"), Limit::ALL.map(Limit::code));
    }
}
