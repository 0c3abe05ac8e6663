//! The raw record of a publish, written straight from what the session holds: a `RawPublish` without the message type,
//! whose strings would each be an allocation for every publish. The test compares both.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::OnceLock;

use compact_str::CompactString;
use fleetwire_model::pb::Qos;
use fleetwire_model::wire;
use fleetwire_mqtt::packet::QoS;
use fleetwire_mqtt::{Publish, SessionFacts};

/// A thread's buffer beyond this size is not kept.
const KEEP: usize = 64 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Who this frontend is, for the records that it writes.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Name of the replica.
    pub frontend_id: String,
    /// Name of the deployment; may be empty.
    pub region: String,
    /// Public MQTT host name of the deployment; may be empty.
    pub host: String,
}

/// What is the same in all records of a session, encoded at its first publish. It lives in the session's identity, of
/// which there is one for each CONNECT.
#[derive(Debug, Default)]
pub struct Head(OnceLock<Box<[u8]>>);

/// Where a publish comes from, as its record says it.
pub(crate) struct Source<'a> {
    pub(crate) key: &'a str,
    pub(crate) client_id: &'a str,
    /// Empty if the session speaks for many.
    pub(crate) device: &'a str,
    /// None for a device that is not active, and for many.
    pub(crate) model: Option<&'a str>,
    /// Whether it goes to the raw topic. Else it is held: nobody activated the device, or what is held of it has to
    /// be released first.
    pub(crate) direct: bool,
    pub(crate) head: &'a Head,
}

/// Encodes the record and hands it to `send`.
pub(crate) fn with<T>(
    origin: &Origin,
    session: &SessionFacts,
    source: &Source<'_>,
    publish: &Publish,
    send: impl FnOnce(&[u8]) -> T,
) -> T {
    BUFFER.with(|cell| {
        let mut out = cell.take();
        out.clear();
        out.extend_from_slice(source.head.0.get_or_init(|| head(origin, session, source)));
        body(&mut out, source.model.unwrap_or_default(), publish);
        let outcome = send(&out);
        if out.capacity() <= KEEP {
            cell.set(out);
        }
        outcome
    })
}

fn head(origin: &Origin, session: &SessionFacts, source: &Source<'_>) -> Box<[u8]> {
    let mut address = CompactString::default();
    // It only fails when there is no memory.
    let _written = write!(address, "{}", session.peer);
    let mut out = Vec::new();
    wire::text(&mut out, 3, source.client_id);
    wire::text(&mut out, 4, &session.account);
    wire::text(&mut out, 5, source.device);
    wire::text(&mut out, 11, &origin.frontend_id);
    wire::text(&mut out, 12, &session.session_id);
    wire::text(&mut out, 14, &address);
    wire::number(&mut out, 15, u64::from(session.level as u8));
    wire::text(&mut out, 19, &origin.region);
    wire::text(&mut out, 21, &origin.host);
    out.into_boxed_slice()
}

fn body(out: &mut Vec<u8>, model: &str, publish: &Publish) {
    let qos = match publish.qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    };
    wire::bytes(out, 1, &publish.payload);
    wire::text(out, 2, &publish.topic);
    wire::number(out, 6, u64::from(qos as u8));
    wire::number(out, 7, publish.retain.into());
    wire::number(out, 8, publish.dup.into());
    wire::number(out, 9, publish.packet_id.into());
    wire::timestamp(out, 10, i64::try_from(publish.received_at_ms).unwrap_or(i64::MAX));
    wire::number(out, 13, publish.sequence);
    wire::text(out, 16, publish.content_type().unwrap_or_default());
    for (name, value) in publish.user_properties() {
        wire::message(out, 17, |out| {
            wire::text(out, 1, name);
            wire::text(out, 2, value);
        });
    }
    wire::number(out, 18, publish.will.into());
    wire::text(out, 20, model);
}
