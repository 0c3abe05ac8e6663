//! Publishes in flight towards ingest: their order, their bounds, and the packet ids of quality of service 2.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use super::Limits;
use crate::{
    packet::{Level, QoS},
    receipt::{Answers, Outcome, Receipt},
};

/// Unreleased packet ids that are remembered for a client without Receive Maximum.
const MOST_UNRELEASED: usize = 1024;

/// A publish that is not answered yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) qos: QoS,
    pub(super) packet_id: u16,
    /// When it was read.
    pub(super) since: Instant,
    size: u32,
    /// Number of the publish in its session; 0 of one that is not offered.
    pub(super) sequence: u64,
}

/// What stands behind an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ingest answers it.
    Offered,
    /// The grant does not allow it; its answer waits for its turn.
    Refused,
    /// It came before and was recorded; only PUBREC is said again.
    Repeat,
}

/// Where a packet id of quality of service 2 stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    /// PUBREC is not sent yet.
    Open,
    /// PUBREC is sent, PUBREL has not come.
    Recorded,
}

/// The window of publishes in flight.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) answers: Arc<Answers>,
    entries: VecDeque<Entry>,
    next_slot: u32,
    bytes: usize,
    /// Entries that get no answer packet.
    unanswerable: u16,
    received: BTreeMap<u16, Received>,
    /// A refused publish will end the session when its turn comes, so nothing more is read.
    closing: bool,
}

/// How a publish of quality of service 2 relates to what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    New,
    /// In flight: its PUBREC will come.
    InFlight,
    /// Recorded: PUBREC may be said again.
    Recorded,
}

impl Inbound {
    pub(super) fn new(limits: &Limits, level: Level) -> Self {
        // MQTT 5 clients may fill the Receive Maximum beside as many publishes without answer; one slot more is
        // for the will, and one so that a full window never meets its own tail.
        let share = if level.is_v5() { 2 } else { 1 };
        let slots = limits.max_in_flight.saturating_mul(share).saturating_add(2);
        Self {
            answers: Answers::new(slots),
            entries: VecDeque::new(),
            next_slot: 0,
            bytes: 0,
            unanswerable: 0,
            received: BTreeMap::new(),
            closing: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether another publish may be read.
    ///
    /// An MQTT 5 client bounds its answered publishes itself by the Receive Maximum, so its PINGREQ is still
    /// read when they are at the bound; a publish beyond it ends the session.
    pub(super) fn has_room(&self, limits: &Limits, level: Level) -> bool {
        let counted = if level.is_v5() { usize::from(self.unanswerable) } else { self.entries.len() };
        !self.closing
            && self.bytes < limits.max_in_flight_bytes
            && counted < usize::from(limits.max_in_flight)
    }

    /// Whether an MQTT 5 client has used its Receive Maximum up.
    pub(super) fn at_receive_maximum(&self, limits: &Limits) -> bool {
        let recorded = self.received.values().filter(|state| **state == Received::Recorded).count();
        self.entries.len() - usize::from(self.unanswerable) + recorded >= usize::from(limits.max_in_flight)
    }

    pub(super) fn seen(&self, packet_id: u16) -> Seen {
        match self.received.get(&packet_id) {
            None => Seen::New,
            Some(Received::Open) => Seen::InFlight,
            Some(Received::Recorded) => Seen::Recorded,
        }
    }

    pub(super) fn too_many_unreleased(&self) -> bool {
        self.received.len() >= MOST_UNRELEASED
    }

    /// Enters a publish that ingest will answer, read at `since`.
    pub(super) fn push(
        &mut self,
        (qos, packet_id): (QoS, u16),
        since: Instant,
        size: usize,
        sequence: u64,
    ) -> Receipt {
        if qos == QoS::ExactlyOnce {
            self.received.insert(packet_id, Received::Open);
        }
        let entry = Entry { kind: Kind::Offered, qos, packet_id, since, size: clamp(size), sequence };
        let slot = self.enter(entry);
        Receipt::new(self.answers.clone(), slot)
    }

    /// Enters a publish whose answer is known and only waits for its turn.
    pub(super) fn push_answered(
        &mut self,
        (kind, outcome): (Kind, Outcome),
        qos: QoS,
        packet_id: u16,
        since: Instant,
    ) {
        let slot = self.enter(Entry { kind, qos, packet_id, since, size: 0, sequence: 0 });
        self.answers.settle(slot, outcome);
    }

    fn enter(&mut self, entry: Entry) -> u32 {
        self.bytes += entry.size as usize;
        self.unanswerable += u16::from(entry.qos == QoS::AtMostOnce);
        self.entries.push_back(entry);
        self.take_slot()
    }

    /// A slot for an answer that nobody waits for: a will.
    pub(super) fn detached(&mut self) -> Receipt {
        let slot = self.take_slot();
        Receipt::new(self.answers.clone(), slot)
    }

    fn take_slot(&mut self) -> u32 {
        let slot = self.next_slot;
        self.next_slot = self.answers.after(slot);
        slot
    }

    /// Nothing more is read: an entry will end the session.
    pub(super) const fn close(&mut self) {
        self.closing = true;
    }

    /// The oldest publish, once its answer is there.
    pub(super) fn pop(&mut self) -> Option<(Entry, Outcome)> {
        // A will's answer has no entry and is left alone.
        self.entries.front()?;
        let outcome = self.answers.take_head()?;
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.size as usize;
        self.unanswerable -= u16::from(entry.qos == QoS::AtMostOnce);
        Some((entry, outcome))
    }

    /// Notes what became of a publish of quality of service 2: its packet id is remembered, or forgotten if it
    /// failed.
    pub(super) fn note(&mut self, entry: Entry, outcome: Outcome) {
        if entry.qos != QoS::ExactlyOnce || entry.kind != Kind::Offered {
            return;
        }
        match outcome {
            Outcome::Stored => self.received.insert(entry.packet_id, Received::Recorded),
            Outcome::Failed(_) => self.received.remove(&entry.packet_id),
        };
    }

    /// Publishes that ingest has and has not answered, as far as the session has seen.
    pub(super) fn offered(&self) -> impl Iterator<Item = QoS> {
        self.entries.iter().filter(|entry| entry.kind == Kind::Offered).map(|entry| entry.qos)
    }

    /// Whether a publish of quality of service 2 is in flight.
    pub(super) fn has_open(&self) -> bool {
        self.received.values().any(|state| *state == Received::Open)
    }

    /// Takes over the packet ids that an earlier connection of the session left unreleased. What was still in
    /// flight is forgotten: the client sends it again.
    pub(super) fn resume(&mut self, earlier: Self) {
        self.received = earlier.received;
        self.received.retain(|_, state| *state == Received::Recorded);
    }

    /// PUBREL came: forget the packet id.
    pub(super) fn forget(&mut self, packet_id: u16) {
        self.received.remove(&packet_id);
    }
}

fn clamp(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
