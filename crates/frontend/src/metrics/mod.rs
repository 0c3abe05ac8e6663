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
