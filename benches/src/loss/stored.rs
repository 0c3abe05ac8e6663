//! What the topics hold, read from their beginning to their end.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fleetwire_kafka::{ClientSettings, Event, Message, Reader, ReaderOptions};
use fleetwire_model::pb::RawPublish;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::payload;

const PATIENCE: Duration = Duration::from_mins(2);
const EXAMPLES: usize = 10;

/// Where a record was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index of the device.
    pub device: usize,
    /// Which of its publishes.
    pub number: usize,
    /// Session that took it.
    pub session: String,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Stored {
    devices: Vec<DeviceStored>,
    pub(super) foreign: u64,
    pub(super) disorder: u64,
    pub(super) disorder_across_sessions: u64,
    pub(super) repeats_in_session: u64,
    pub(super) examples: Vec<String>,
}

#[derive(Debug, Default)]
struct DeviceStored {
    /// By number: its records.
    counts: Vec<u32>,
    /// Of the last record that was the first of its publish.
    highest: Option<Place>,
    /// The numbers that each session stored.
    sessions: HashMap<String, HashSet<usize>>,
}

impl Stored {
    /// Reads topics to their end. Nothing may write to them any more.
    pub fn read(client: &ClientSettings, topics: &[String], imeis: &[String]) -> Result<Self> {
        let mut stored = Self::default();
        for topic in topics {
            let reader = Reader::new(client, topic, ReaderOptions::default(), &CancellationToken::new())?;
            let mut deadline = Instant::now() + PATIENCE;
            loop {
                match reader.next(Duration::from_millis(100))? {
                    Event::Record(record) => {
                        stored.take_record(&record, imeis);
                        deadline = Instant::now() + PATIENCE;
                    }
                    Event::CaughtUp => break,
                    Event::Idle => ensure!(Instant::now() < deadline, "{topic} was not read in time"),
                }
            }
        }
        Ok(stored)
    }

    fn take_record(&mut self, record: &Message<'_>, imeis: &[String]) {
        let raw = record.payload().and_then(|value| RawPublish::decode(value).ok());
        let place = raw.and_then(|raw| {
            let (device, number) = payload::read(&raw.payload)?;
            let device = usize::try_from(device).ok()?;
            let imei = imeis.get(device)?;
            let names = [raw.client_id.as_bytes(), raw.device_id.as_bytes(), record.key()?];
            let own = names.iter().all(|name| *name == imei.as_bytes());
            own.then_some(Place { device, number: usize::try_from(number).ok()?, session: raw.session_id })
        });
        if let Some(place) = place {
            self.take(&place);
        } else {
            self.foreign += 1;
            self.example(format!("offset {} is nobody's", record.offset()));
        }
    }

    /// Takes the next record of a device, in the order of its partition.
    pub fn take(&mut self, place: &Place) {
        let &Place { device: index, number, .. } = place;
        if self.devices.len() <= index {
            self.devices.resize_with(index + 1, DeviceStored::default);
        }
        let Some(device) = self.devices.get_mut(index) else { return };
        let again_in_session = !device.sessions.entry(place.session.clone()).or_default().insert(number);
        if device.counts.len() <= number {
            device.counts.resize(number + 1, 0);
        }
        let Some(count) = device.counts.get_mut(number) else { return };
        *count += 1;
        let first = *count == 1;
        let before = device.highest.clone().filter(|highest| first && highest.number > number);
        if first && before.is_none() {
            device.highest = Some(place.clone());
        }
        self.repeats_in_session += u64::from(again_in_session);
        if let Some(before) = before {
            let one_session = before.session == place.session;
            *(if one_session { &mut self.disorder } else { &mut self.disorder_across_sessions }) += 1;
            self.example(format!(
                "device {index}: publish {number} of session {} stands behind {} of session {}",
                place.session, before.number, before.session
            ));
        }
        if again_in_session {
            self.example(format!("device {index}: publish {number} is there twice in one session"));
        }
    }

    /// Records of one publish.
    pub(super) fn count(&self, device: usize, number: usize) -> u32 {
        let device = self.devices.get(device);
        device.and_then(|device| device.counts.get(number)).copied().unwrap_or(0)
    }

    /// Records with numbers from `published` on, which were never used.
    pub(super) fn beyond(&self, device: usize, published: usize) -> u64 {
        let counts = self.devices.get(device).and_then(|device| device.counts.get(published..));
        counts.unwrap_or_default().iter().map(|count| u64::from(*count)).sum()
    }

    fn example(&mut self, text: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text);
        }
    }
}
