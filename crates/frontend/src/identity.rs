//! Who a session speaks for; ingest and the fabric read it back from the session's facts.

use compact_str::CompactString;
use fleetwire_model::DeviceId;

use crate::auth::subscriber::Seat;
use crate::downlink::Desk;
use crate::handover::Handover;
use crate::record::Head;
use crate::revoked::Admitted;
use crate::strangers::Visit;

/// What the authenticator knows of a session that was let in.
#[derive(Debug)]
pub enum Identity {
    /// One device.
    Device {
        /// The device.
        device: DeviceId,
        /// On what grounds it was let in.
        admitted: Admitted,
        /// Held until the session ends, of a device that nobody had activated.
        visit: Option<Visit>,
        /// When something of it was held last.
        handover: Handover,
        /// Where it takes commands.
        desk: Desk,
        /// What its records begin with.
        head: Head,
    },
    /// Many devices behind one connection; their payloads name them.
    Relay {
        /// The client id as the client knows it; the session's own is kept apart from other accounts'.
        client_id: CompactString,
        /// What its records begin with.
        head: Head,
    },
    /// This process, which looks whether it serves. What it publishes goes nowhere.
    Canary,
    /// A person or a program that watches. What it publishes never goes to Kafka.
    Subscriber {
        /// Held until the session ends, and counted against the account.
        seat: Seat,
    },
}
