//! What a reader of the positions sees, with `isolation.level=read_committed`, by the raw record that it came from.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use fleetwire_kafka::{ClientSettings, Event, Reader, ReaderOptions};
use fleetwire_model::pb::PositionEvent;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::support::LIMIT;

/// Positions by raw partition and offset.
pub(super) struct Seen {
    reader: Reader,
    events: HashMap<(i32, i64), Vec<String>>,
}

impl Seen {
    pub(super) fn of(kafka: &str, prefix: &str) -> Self {
        let topic = format!("{prefix}.positions.v1");
        let settings = ClientSettings::new(kafka);
        let reader = Reader::new(&settings, &topic, ReaderOptions::default(), &CancellationToken::new());
        Self { reader: reader.unwrap(), events: HashMap::new() }
    }

    /// Reads until so many raw records have an event.
    pub(super) fn wait_for(&mut self, raw: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.events.len() < raw {
            assert!(Instant::now() < deadline, "{} of {raw} raw records are decoded", self.events.len());
            self.next();
        }
    }

    /// Reads what there still is. Returns how many raw records have an event, and how many more than one.
    pub(super) fn finish(&mut self) -> (usize, usize) {
        let mut quiet = 0;
        while quiet < 5 {
            quiet = if self.next() { 0 } else { quiet + 1 };
        }
        (self.events.len(), self.events.values().filter(|events| events.len() > 1).count())
    }

    /// How many different ids the events have.
    pub(super) fn ids(&self) -> usize {
        self.events.values().flatten().collect::<HashSet<_>>().len()
    }

    fn next(&mut self) -> bool {
        let Event::Record(record) = self.reader.next(Duration::from_millis(100)).unwrap() else {
            return false;
        };
        let event = PositionEvent::decode(record.payload().unwrap()).unwrap();
        let raw = event.raw_ref.unwrap();
        self.events.entry((raw.partition, raw.offset)).or_default().push(event.event_id);
        true
    }
}
