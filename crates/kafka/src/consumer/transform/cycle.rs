//! The loop of a transformer: poll, transform, and end the transaction when it is due.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaResult;
use rdkafka::message::BorrowedMessage;
use tokio_util::sync::CancellationToken;

use super::due::Positions;
use super::transaction::{Phase, Transaction};
use super::{Transform, TransformError};
use crate::consumer::context::GroupContext;
use crate::consumer::current::Current;
use crate::consumer::group::{ANSWER, Group};
use crate::consumer::{Consumer, ConsumerOptions};
use crate::heart;
use crate::message::Message;

/// How long a poll waits, and so how late a stop can be.
const POLL: Duration = Duration::from_millis(100);
/// How long Kafka is waited for before the stop is looked at.
const SLICE: Duration = Duration::from_secs(1);
/// How many events a poll that does not wait takes from librdkafka. It hands statistics, logs and changes of the
/// assignment on one at a time: one poll for each piece of work would fall behind, and learn of a change late.
const EVENTS: usize = 64;

pub(super) fn run(
    consumer: &Consumer,
    stop: &CancellationToken,
    transform: &mut impl Transform,
) -> Result<(), TransformError> {
    let mut cycle = Cycle {
        inner: &consumer.inner,
        group: &consumer.group,
        options: &consumer.options,
        stop,
        current: Current::default(),
        positions: Positions::default(),
        is_quiet: false,
        rest_until: None,
    };
    let _carried = consumer.group.heart.carry();
    let outcome = loop {
        heart::beat();
        if stop.is_cancelled() {
            break Ok(());
        }
        let turn = cycle.turn(transform);
        cycle.tell(transform);
        if let Err(error) = turn {
            break Err(error);
        }
    };
    cycle.finish(&outcome, transform);
    cycle.tell(transform);
    outcome
}

pub(super) struct Cycle<'a> {
    pub(super) inner: &'a BaseConsumer<GroupContext>,
    pub(super) group: &'a Group,
    pub(super) options: &'a ConsumerOptions,
    pub(super) stop: &'a CancellationToken,
    current: Current,
    pub(super) positions: Positions,
    /// Whether the last wait brought nothing, and nothing was due.
    is_quiet: bool,
    /// When the next transaction may begin, after one has ended.
    rest_until: Option<Instant>,
}

impl Cycle<'_> {
    fn turn(&mut self, transform: &mut impl Transform) -> Result<(), TransformError> {
        let (interval, in_flight) = (self.options.commit_interval, &self.group.in_flight);
        let full = in_flight.records() >= self.options.max_in_flight_records
            || in_flight.bytes() >= self.options.max_in_flight_bytes
            || (self.is_quiet && transform.is_urgent());
        if let Some(until) = self.rest_until.take() {
            thread::sleep(until.saturating_duration_since(Instant::now()));
        }
        if self.with(|transaction| Ok(transaction.is_regrouping()))? {
            return self.regroup();
        }
        let waited = self.with(|transaction| {
            transaction.check()?;
            if !transaction.is_due(interval, full) {
                return Ok(Some((false, transaction.patience(interval, POLL))));
            }
            transaction.give_up_if_stuck();
            transaction.complete(transform, self.stop)?;
            // Nothing is read before it is done: what came would belong to no transaction.
            let settled = transaction.settle(self.inner, self.group, Instant::now() + SLICE)?;
            Ok(settled.then_some((true, Duration::ZERO)))
        })?;
        let Some((is_over, wait)) = waited else {
            if !self.with(|transaction| Ok(transaction.is_regrouping()))? {
                self.group.connection.set_down("a transaction waits for Kafka");
            }
            return Ok(());
        };
        if is_over && !transform.rest().is_zero() {
            self.rest_until = Some(Instant::now() + transform.rest());
            return Ok(());
        }
        let due = transform.due();
        let is_open = self.with(|transaction| Ok(transaction.phase == Phase::Open))?;
        let at_once = due.is_some() || (is_open && transform.is_urgent());
        let wait = if at_once { Duration::ZERO } else { wait.min(transform.patience()) };
        let polled = poll(self.inner, wait);
        self.is_quiet = polled.is_none() && due.is_none();
        // Partitions that went in the poll have ended the transaction.
        self.tell(transform);
        match polled {
            Some(Ok(message)) => self.take(message, transform)?,
            Some(Err(error)) => self.group.note(&error)?,
            None => {}
        }
        due.map_or(Ok(()), |due| self.send_due(&due, transform))
    }

    /// Waits for the change of the group that undid a transaction. What is read meanwhile is read again.
    fn regroup(&self) -> Result<(), TransformError> {
        match self.inner.poll(POLL) {
            Some(Ok(message)) => self.with(|transaction| {
                transaction.put_back(message.topic(), message.partition(), message.offset());
                Ok(())
            }),
            Some(Err(error)) => Ok(self.group.note(&error)?),
            None => Ok(()),
        }
    }

    fn take(
        &mut self,
        message: BorrowedMessage<'_>,
        transform: &mut impl Transform,
    ) -> Result<(), TransformError> {
        self.group.connection.set_up();
        self.group.metrics.records.increment(1);
        let partition = self.current.of(self.group, &message);
        let (offset, message) = (message.offset(), Message::new(message));
        let done = partition.begin(offset, message.timestamp_ms(), message.size());
        self.with(|transaction| {
            let outputs = transaction.take(&partition, offset, done, self.stop)?;
            let sent = transform.record(&message, &outputs);
            transaction.sent(sent, transform)
        })
    }

    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Transaction) -> Result<T, TransformError>,
    ) -> Result<T, TransformError> {
        match self.group.transaction() {
            Some(mut transaction) => work(&mut transaction),
            None => Err(TransformError::Fatal("a transformer without transactions".to_owned())),
        }
    }

    fn tell(&self, transform: &mut impl Transform) {
        let settled = self.group.transaction().and_then(|mut transaction| transaction.take_settled());
        if let Some(how) = settled {
            transform.settled(how);
        }
    }

    /// Commits what is open, if all is well; undoes it otherwise. Either ends in time: what has not become visible by
    /// then never will, and is read again by whoever comes next.
    fn finish(&self, outcome: &Result<(), TransformError>, transform: &mut impl Transform) {
        let limit = if outcome.is_ok() { self.options.drain_timeout } else { ANSWER };
        let Some(mut transaction) = self.group.transaction() else {
            return;
        };
        transaction.regroup_until = None;
        if outcome.is_err() {
            transaction.doom("the process ends");
        } else if let Err(error) = transaction.complete(transform, self.stop) {
            transaction.doom(&error.to_string());
        }
        if !transaction.is_unmade() {
            match transaction.settle(self.inner, self.group, Instant::now() + limit) {
                Ok(true) => {}
                Ok(false) => tracing::warn!("stopped with a transaction unfinished; Kafka undoes it"),
                Err(error) => tracing::warn!(%error, "stopped with a transaction unfinished"),
            }
        }
        self.group.close();
        for held in self.group.held() {
            held.partition.give_up();
        }
        transaction.end();
    }
}

fn poll(inner: &BaseConsumer<GroupContext>, wait: Duration) -> Option<KafkaResult<BorrowedMessage<'_>>> {
    if wait.is_zero() {
        return (0..EVENTS).find_map(|_| inner.poll(Duration::ZERO));
    }
    inner.poll(wait)
}
