//! Where a range begins and ends in each partition.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::{Range, Stretch};
use crate::client::QuietContext;
use crate::reader::{ASK, MissingTopic, ReaderError, classify, partitions, retry, watermarks};

/// The offsets of a range.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) stretches: BTreeMap<i32, Stretch>,
    /// Whether Kafka found the beginning by its time.
    pub(super) by_time: bool,
}

/// Asks Kafka; each question is tried again until the range's deadline or the stop.
pub(super) fn find(
    client: &BaseConsumer<QuietContext>,
    topic: &str,
    range: &Range,
    stop: &CancellationToken,
) -> Result<Found, ReaderError> {
    let deadline = Instant::now() + range.ready_timeout;
    let count = retry(deadline, stop, MissingTopic::Fail, || partitions(client, topic))?;
    let all = (0..).take(count);
    let wanted: Vec<i32> = match &range.offsets {
        Some(offsets) => all.filter(|number| offsets.contains_key(number)).collect(),
        None => all.collect(),
    };
    let mut stretches = BTreeMap::new();
    for number in wanted {
        let (low, high) = retry(deadline, stop, MissingTopic::Fail, || watermarks(client, topic, number))?;
        let named = range.offsets.as_ref().and_then(|offsets| offsets.get(&number)).copied();
        let start = named.unwrap_or(low).clamp(low, high);
        stretches.insert(number, Stretch { kept_from: low, start, end: high, next: start });
    }
    let by = |time_ms: i64, numbers: Vec<i32>| {
        retry(deadline, stop, MissingTopic::Fail, || by_time(client, topic, time_ms, &numbers))
    };
    let mut found_by_time = true;
    if let Some(from_ms) = range.from_ms {
        let starts = by(from_ms, filled(&stretches))?;
        // Nothing that late, or a log that has no look-up by time: the latter finds not even the first record.
        let unknown: Vec<i32> = starts.iter().filter(|(_, at)| at.is_none()).map(|(n, _)| *n).collect();
        let first = by(0, unknown)?;
        for (number, stretch) in &mut stretches {
            let known = starts.get(number).copied().flatten();
            if known.is_none() && first.get(number).is_some_and(Option::is_none) {
                found_by_time = false;
            } else if starts.contains_key(number) {
                stretch.start = known.unwrap_or(stretch.end).max(stretch.start).min(stretch.end);
            }
        }
    }
    if let Some(to_ms) = range.to_ms {
        let slack = i64::try_from(range.slack.as_millis()).unwrap_or(i64::MAX);
        for (number, at) in by(to_ms.saturating_add(slack), filled(&stretches))? {
            if let (Some(stretch), Some(at)) = (stretches.get_mut(&number), at) {
                stretch.end = stretch.end.min(at).max(stretch.start);
            }
        }
    }
    for stretch in stretches.values_mut() {
        stretch.next = stretch.start;
    }
    Ok(Found { stretches, by_time: found_by_time })
}

/// Partitions that hold something.
fn filled(stretches: &BTreeMap<i32, Stretch>) -> Vec<i32> {
    stretches.iter().filter(|(_, stretch)| stretch.start < stretch.end).map(|(number, _)| *number).collect()
}

/// The first offset of each partition whose record has this time or a later one; `None` where Kafka names none.
pub(crate) fn by_time(
    client: &BaseConsumer<QuietContext>,
    topic: &str,
    time_ms: i64,
    numbers: &[i32],
) -> Result<BTreeMap<i32, Option<i64>>, ReaderError> {
    if numbers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut times = TopicPartitionList::with_capacity(numbers.len());
    for number in numbers {
        times
            .add_partition_offset(topic, *number, Offset::Offset(time_ms.max(0)))
            .map_err(|error| ReaderError::Fatal(error.to_string()))?;
    }
    // One answer for all partitions, from each of their leaders.
    let answer = client
        .offsets_for_times(times, ASK.saturating_add(Duration::from_secs(3)))
        .map_err(|error| classify(topic, &error))?;
    let mut found = BTreeMap::new();
    for element in answer.elements() {
        element.error().map_err(|error| classify(topic, &error))?;
        let at = match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        found.insert(element.partition(), at);
    }
    Ok(found)
}
