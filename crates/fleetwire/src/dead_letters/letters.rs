//! Reading dead letters: those of a time, a device, a code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_decoder::interpret;
use fleetwire_kafka::{Range, RangeEvent, RangeProgress, RangeReader};
use fleetwire_model::Topic;
use fleetwire_model::pb::DeadLetter;
use fleetwire_model::time::to_unix_ms;
use fleetwire_service::clock;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::dead_letters::Filters;
use crate::target::Target;

/// How long one wait for a record takes before the stop is looked at.
const WAIT: Duration = Duration::from_millis(100);

/// A dead letter and where it lies.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// When it was rejected, Unix milliseconds.
    pub(super) time_ms: i64,
    /// Its Kafka key.
    pub(super) key: Vec<u8>,
    pub(super) letter: DeadLetter,
}

impl Found {
    /// The place as people write it.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.partition, self.offset)
    }

    /// The device, or the client that speaks for many.
    pub(super) fn device(&self) -> &str {
        let raw = self.letter.raw.as_ref();
        raw.map_or("", |raw| if raw.device_id.is_empty() { &raw.client_id } else { &raw.device_id })
    }
}

/// Hands over every dead letter that the filters want, until `each` has enough. `false` if a stop came first.
pub(super) fn each(
    target: &Target,
    filters: &Filters,
    stop: &CancellationToken,
    mut each: impl FnMut(Found, RangeProgress) -> Result<ControlFlow<()>>,
) -> Result<bool> {
    let now_ms = clock::unix_ms();
    let range = Range {
        from_ms: filters.from.map(|from| from.unix_ms(now_ms)),
        to_ms: filters.to.map(|to| to.unix_ms(now_ms)),
        ..Range::default()
    };
    let reader = RangeReader::new(&target.client, &target.topics.name(Topic::DeadLetters), range, stop)?;
    while !stop.is_cancelled() {
        let message = match reader.next(WAIT)? {
            RangeEvent::Record(message) => message,
            RangeEvent::Idle => continue,
            RangeEvent::End => return Ok(true),
        };
        let found = read(&message)?;
        if filters.want(&found) && each(found, reader.progress())?.is_break() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The dead letter at one place.
pub(super) fn at(
    target: &Target,
    (partition, offset): (i32, i64),
    stop: &CancellationToken,
) -> Result<Found> {
    let topic = target.topics.name(Topic::DeadLetters);
    let offsets = Some(BTreeMap::from([(partition, offset)]));
    let reader = RangeReader::new(&target.client, &topic, Range { offsets, ..Range::default() }, stop)?;
    let stretch = reader.stretches().get(&partition).copied();
    let stretch = stretch.with_context(|| format!("{topic} has no partition {partition}"))?;
    if offset < stretch.kept_from || offset >= stretch.end {
        let kept = match stretch.end - stretch.kept_from {
            0 => "nothing".to_owned(),
            _ => format!("offsets {} to {}", stretch.kept_from, stretch.end - 1),
        };
        anyhow::bail!("there is no dead letter at {partition}:{offset}: the partition holds {kept}");
    }
    while !stop.is_cancelled() {
        match reader.next(WAIT)? {
            RangeEvent::Record(message) if message.offset() == offset => return read(&message),
            RangeEvent::Idle => {}
            RangeEvent::Record(_) | RangeEvent::End => {
                anyhow::bail!(
                    "there is no dead letter at {partition}:{offset}; `fleetwire dead-letters list`"
                );
            }
        }
    }
    anyhow::bail!("stopped")
}

fn read(message: &fleetwire_kafka::Message<'_>) -> Result<Found> {
    let (partition, offset) = (message.partition(), message.offset());
    let letter = DeadLetter::decode(message.payload().unwrap_or_default())
        .with_context(|| format!("the record at {partition}:{offset} is no DeadLetter"))?;
    let rejected = letter.rejected_time.as_ref().map(to_unix_ms);
    let time_ms = rejected.or_else(|| message.timestamp_ms()).unwrap_or(0);
    Ok(Found { partition, offset, time_ms, key: message.key().unwrap_or_default().to_vec(), letter })
}

impl Filters {
    fn want(&self, found: &Found) -> bool {
        let raw = found.letter.raw.as_ref();
        let device = |id: &String| raw.is_some_and(|raw| raw.device_id == *id || raw.client_id == *id);
        self.device.as_ref().is_none_or(device)
            && self.code.as_ref().is_none_or(|code| found.letter.code == *code)
    }

    /// What to say where nothing was found.
    pub(super) fn nothing(&self) -> String {
        let known: Vec<&str> = codes().into_iter().collect();
        match self.code.as_deref().filter(|code| !known.contains(code)) {
            Some(code) => {
                format!("no dead letter has the code `{code}`; this build gives {}", known.join(", "))
            }
            None => "no dead letters".to_owned(),
        }
    }
}

/// Every code that this build gives.
pub(super) fn codes() -> BTreeSet<&'static str> {
    interpret::CODES.iter().chain(fleetwire_codec::DecodeError::CODES).copied().collect()
}
