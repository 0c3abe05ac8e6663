//! What no record is the cause of: sent in the name of a partition, whose offset is committed with it as it is. So it
//! becomes visible only while the group has the partition with this member.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::cycle::Cycle;
use super::transaction::{Phase, Span, Transaction};
use super::{TopicPartition, Transform, TransformError};
use crate::consumer::Start;
use crate::consumer::tracker::lock;
use crate::error::SendError;
use crate::reader::ReaderError;
use crate::settings::ClientSettings;
use crate::watermarks::Watermarks;

/// How long one question may block.
const ASK: Duration = Duration::from_secs(1);

/// Committed offsets of partitions of which no record has come, and the generation that they hold for.
#[derive(Debug, Default)]
pub(super) struct Positions {
    generation: u64,
    known: HashMap<TopicPartition, i64>,
    /// Asks for ends. On the member's own connection the answer would come after that of a fetch, which waits for
    /// records for up to half a second.
    asker: Option<Watermarks>,
}

impl Cycle<'_> {
    /// Lets `transform` send what is due in the name of a partition, if that is still ours.
    pub(super) fn send_due(
        &mut self,
        place: &TopicPartition,
        transform: &mut impl Transform,
    ) -> Result<(), TransformError> {
        let Some(position) = self.position(place) else {
            return Ok(());
        };
        self.with(|transaction| {
            if !matches!(transaction.phase, Phase::Idle | Phase::Open) {
                return Ok(());
            }
            transaction.join(place, position)?;
            let outputs = transaction.outputs(self.stop)?;
            let sent = transform.send_due(place, position, &outputs);
            transaction.sent(sent, transform)
        })
    }

    /// The next offset of a partition of ours; none if it is not ours, or if Kafka does not tell.
    fn position(&mut self, place: &TopicPartition) -> Option<i64> {
        let held = {
            let partitions = lock(&self.group.partitions);
            partitions.get(&(place.topic.to_string(), place.number)).cloned()
        }?;
        if let Some(next) = held.partition.next() {
            return Some(next);
        }
        let generation = self.group.generation.load(Ordering::Acquire);
        if self.positions.generation != generation {
            self.positions.generation = generation;
            self.positions.known.clear();
        }
        if let Some(known) = self.positions.known.get(place) {
            return Some(*known);
        }
        match self.ask(place) {
            Ok(position) => {
                self.positions.known.insert(place.clone(), position);
                Some(position)
            }
            Err(error) => {
                tracing::debug!(%error, topic = &*place.topic, partition = place.number, "no committed offset yet");
                None
            }
        }
    }

    /// The committed offset, or where a group without one starts. What Kafka tells of the other partitions in the same
    /// answer is kept.
    fn ask(&mut self, place: &TopicPartition) -> Result<i64, ReaderError> {
        let away = |error: KafkaError| ReaderError::Unreachable(error.to_string());
        let mut list = TopicPartitionList::new();
        for held in self.group.held() {
            if held.partition.next().is_none() {
                list.add_partition(&held.partition.topic, held.partition.number);
            }
        }
        for found in self.inner.committed_offsets(list, ASK).map_err(away)?.elements() {
            let number = found.partition();
            if let (Ok(()), Offset::Offset(offset)) = (found.error(), found.offset()) {
                self.positions.known.insert(TopicPartition { topic: found.topic().into(), number }, offset);
            } else if number == place.number && found.topic() == &*place.topic {
                found.error().map_err(away)?;
            }
        }
        if let Some(known) = self.positions.known.get(place) {
            return Ok(*known);
        }
        let asker = match self.positions.asker.take() {
            Some(asker) => asker,
            None => Watermarks::new(&self.settings()?)?,
        };
        let found = asker.of(&place.topic, place.number);
        self.positions.asker = Some(asker);
        let (low, high) = found?;
        Ok(if self.options.start == Start::End { high } else { low })
    }

    /// How Kafka is reached.
    fn settings(&self) -> Result<ClientSettings, ReaderError> {
        let settings = self.with(|transaction| Ok(transaction.settings.clone()));
        settings.map_err(|error| ReaderError::Fatal(error.to_string()))
    }
}

impl Transaction {
    /// Makes a partition, at its next offset, part of the transaction.
    fn join(&mut self, place: &TopicPartition, position: i64) -> Result<(), TransformError> {
        self.begin()?;
        if self.span(&place.topic, place.number).is_none() {
            self.spans.push(Span {
                topic: Arc::clone(&place.topic),
                partition: place.number,
                first: position,
                next: position,
            });
        }
        Ok(())
    }

    /// Notes what became of a [`Transform`]'s sending.
    pub(super) fn sent(
        &mut self,
        sent: Result<(), SendError>,
        transform: &impl Transform,
    ) -> Result<(), TransformError> {
        self.incomplete = transform.is_incomplete();
        match sent {
            Ok(()) => {}
            Err(error @ (SendError::TooLarge | SendError::UnknownTopic)) => {
                return Err(TransformError::Output(error));
            }
            // What it means, ending the transaction will tell.
            Err(error) => self.doom(&error.to_string()),
        }
        Ok(())
    }

    /// Sends the rest of what belongs to the open transaction.
    pub(super) fn complete(
        &mut self,
        transform: &mut impl Transform,
        stop: &CancellationToken,
    ) -> Result<(), TransformError> {
        if self.phase != Phase::Open || !self.incomplete {
            return Ok(());
        }
        let sent = transform.complete(&self.outputs(stop)?);
        self.sent(sent, transform)
    }
}
