//! The way with transactions: events and offsets become visible together, or not at all.

use fleetwire_kafka::{Message, Outputs, Record, SendError, Settled, Transform};
use fleetwire_service::clock;

use crate::trail::Trail;
use crate::worker::{Sink, Worker};

/// A worker whose events are visible once their raw records are committed.
#[derive(Debug)]
pub(crate) struct Transacting {
    worker: Worker,
    /// When the records of the open transaction were received.
    received_ms: Vec<i64>,
    /// Those of them that are followed.
    trails: Vec<Trail>,
}

impl Transacting {
    /// A worker that commits by transactions.
    pub(crate) fn new(worker: Worker) -> Self {
        Self { worker, received_ms: Vec::new(), trails: Vec::new() }
    }
}

impl Transform for Transacting {
    fn record(&mut self, message: &Message<'_>, outputs: &Outputs<'_>) -> Result<(), SendError> {
        let mut sink = Outgoing { outputs, received_ms: &mut self.received_ms, trail: None };
        let outcome = self.worker.work(message, &mut sink);
        self.trails.extend(sink.trail.map(|trail| *trail));
        outcome
    }

    fn settled(&mut self, how: Settled) {
        let now_ms = clock::unix_ms();
        for received_ms in self.received_ms.drain(..).filter(|_| how == Settled::Committed) {
            self.worker.metrics.produced(received_ms, now_ms);
        }
        for trail in self.trails.drain(..) {
            match how {
                Settled::Committed => trail.finish(),
                Settled::Undone => trail.undone(),
            }
        }
    }
}

struct Outgoing<'a> {
    outputs: &'a Outputs<'a>,
    received_ms: &'a mut Vec<i64>,
    trail: Option<Box<Trail>>,
}

impl Sink for Outgoing<'_> {
    fn begin(&mut self, received_ms: i64, trail: Option<Box<Trail>>) {
        self.received_ms.push(received_ms);
        self.trail = trail;
    }

    fn repeats(&mut self, count: u32) {
        if let Some(trail) = &self.trail {
            trail.repeats(count);
        }
    }

    fn send(&mut self, record: Record<'_>) -> Result<(), SendError> {
        self.outputs.send(record)?;
        if let Some(trail) = &self.trail {
            trail.produced(record.topic, record.key.unwrap_or_default(), None);
        }
        Ok(())
    }
}
