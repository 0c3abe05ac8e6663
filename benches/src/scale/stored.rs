//! What the raw topic holds, read from its beginning to its end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fleetwire_kafka::{ClientSettings, Event, Message, Reader, ReaderOptions};
use fleetwire_model::Imei;
use fleetwire_model::pb::RawPublish;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::payload;
use super::positions::Place;

const PATIENCE: Duration = Duration::from_mins(2);

/// What was read.
#[derive(Debug, Default)]
pub struct Stored {
    /// Which publish each record is: device and number.
    pub(super) records: HashMap<Place, (usize, u32)>,
    /// By publish: its records.
    pub(super) counts: HashMap<(usize, u32), u32>,
    /// Records that no device of the fleet published.
    pub(super) foreign: u64,
    /// Records that stand behind a later one of the same session, or twice in one.
    pub(super) disorder: u64,
    /// The last number of each session.
    sessions: HashMap<String, u32>,
}

impl Stored {
    /// Reads a topic to its end. Nothing may write to it any more.
    pub(super) fn read(client: &ClientSettings, topic: &str, imeis: &[Imei]) -> Result<Self> {
        let names: HashMap<String, usize> =
            imeis.iter().enumerate().map(|(index, imei)| (imei.to_string(), index)).collect();
        let mut stored = Self::default();
        let reader = Reader::new(client, topic, ReaderOptions::default(), &CancellationToken::new())?;
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            match reader.next(Duration::from_millis(100))? {
                Event::Record(record) => {
                    match publish(&record, imeis, &names) {
                        Some((device, number, session)) => {
                            stored.take((record.partition(), record.offset()), (device, number), session);
                        }
                        None => stored.foreign += 1,
                    }
                    deadline = Instant::now() + PATIENCE;
                }
                Event::CaughtUp => return Ok(stored),
                Event::Idle => ensure!(Instant::now() < deadline, "{topic} was not read in time"),
            }
        }
    }

    /// Takes the next record, in the order of its partition.
    pub(super) fn take(&mut self, place: Place, publish: (usize, u32), session: String) {
        let number = publish.1;
        if self.sessions.insert(session, number).is_some_and(|before| before >= number) {
            self.disorder += 1;
        }
        self.records.insert(place, publish);
        *self.counts.entry(publish).or_default() += 1;
    }
}

/// Device, number and session of a record, if a device of the fleet published it.
fn publish(
    record: &Message<'_>,
    imeis: &[Imei],
    names: &HashMap<String, usize>,
) -> Option<(usize, u32, String)> {
    let raw = RawPublish::decode(record.payload()?).ok()?;
    let device = *names.get(&raw.device_id)?;
    let number = payload::read(*imeis.get(device)?, &raw.payload)?;
    let own = record.key()? == raw.device_id.as_bytes() && raw.client_id == raw.device_id;
    own.then_some((device, number, raw.session_id))
}
