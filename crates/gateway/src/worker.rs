//! The worker: every command is applied to its device's state machine, and what follows from it is written in one
//! transaction with the offset of the group. An attempt to deliver begins once the transaction that notes it is
//! committed, and what came of it is worked as part of a later one. So whatever dies in between, the next owner of the
//! partition knows of every attempt that may have been made.

mod desk;
mod page;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fleetwire_kafka::{
    Assigned, Message, Monitor, Outputs, Record, SendError, Settled, TopicPartition, Transform, Transformer,
};
use fleetwire_model::TYPE_HEADER;
use fleetwire_model::pb::TraceStepKind;
use fleetwire_service::broken::Broken;
use fleetwire_service::clock;
use fleetwire_trace::{Span, TRACEPARENT};
use tokio::sync::mpsc;

use crate::attempts::{Attempts, Ended};
use crate::follower::Lanes;
use crate::intake::{self, Reading};
use crate::letter::{Fault, Letters};
use crate::load::Source;
use crate::machine::Event;
use crate::metrics::{IntakeMetrics, WorkerMetrics};
use crate::shelf::Shelf;
use desk::{Desk, Tally};
use page::Page;

pub(crate) use desk::{Names, OWNER, World};
pub(crate) use page::Remembered;

/// How much of each kind is worked between two records.
const PORTION: usize = 200;
/// How long the next record is waited for while attempts are under way: so late may an outcome be noticed.
const ATTENTIVE: Duration = Duration::from_millis(2);
/// The same while devices with commands are away.
const WATCHFUL: Duration = Duration::from_millis(20);
/// How long Kafka may be busy with a transaction that is over.
const REST: Duration = Duration::from_millis(3);

/// How often the oldest command is looked for: all devices of the partitions are looked through.
const SHOW: Duration = Duration::from_secs(5);

/// Header of commands that were put into their partition by a gateway.
const MOVED: &str = "fleetwire-moved";

/// What the worker needs beside its member of the group.
#[derive(Debug)]
pub(crate) struct WorkerNeeds {
    pub(crate) source: Source,
    pub(crate) world: World,
    pub(crate) letters: Letters,
    pub(crate) attempts: (Attempts, mpsc::Receiver<Ended>),
    pub(crate) lanes: Arc<Lanes>,
    /// Partitions that are read back, for readiness.
    pub(crate) loaded: Arc<AtomicUsize>,
}

/// A member of the gateways' group.
#[derive(Debug)]
pub(crate) struct Worker {
    transformer: Transformer,
    working: Working,
}

/// What the worker knows, on the thread that polls.
#[derive(Debug)]
struct Working {
    source: Source,
    world: World,
    letters: Letters,
    attempts: Attempts,
    ended: mpsc::Receiver<Ended>,
    lanes: Arc<Lanes>,
    loaded: Arc<AtomicUsize>,
    monitor: Monitor,
    broken: Broken,
    metrics: WorkerMetrics,
    intake: IntakeMetrics,
    /// Of each topic of commands.
    partitions: usize,
    shelves: HashMap<i32, (u64, Arc<Shelf>)>,
    pages: HashMap<i32, Page>,
    next_page: u64,
    /// The assignment that `pages` was compared with.
    seen: Option<u64>,
    /// The partition whose turn it was last, and whether one was offered and not taken.
    last: i32,
    is_offered: bool,
    tally: Tally,
    /// When the oldest command is looked for again.
    next_show: Instant,
}

impl Worker {
    pub(crate) fn new(transformer: Transformer, needs: WorkerNeeds) -> Self {
        let WorkerNeeds { source, world, letters, attempts: (attempts, ended), lanes, loaded } = needs;
        let working = Working {
            monitor: transformer.monitor(),
            source,
            world,
            letters,
            attempts,
            ended,
            lanes,
            loaded,
            broken: Broken::new("the command gateway"),
            metrics: WorkerMetrics::new(),
            intake: IntakeMetrics::new("protobuf"),
            partitions: 0,
            shelves: HashMap::new(),
            pages: HashMap::new(),
            next_page: 0,
            seen: None,
            last: -1,
            is_offered: false,
            tally: Tally::default(),
            next_show: Instant::now(),
        };
        Self { transformer, working }
    }

    /// Works until the stop; blocks the thread. Ends with an error if it cannot go on.
    pub(crate) fn run(mut self) -> Result<()> {
        let Some(partitions) = self.working.source.partitions()? else { return Ok(()) };
        self.working.partitions = partitions;
        let (stop, broken) = (self.working.source.stop.clone(), self.working.broken.clone());
        let outcome = self.transformer.run(&stop, &mut self.working);
        broken.check()?;
        Ok(outcome?)
    }
}

impl Transform for Working {
    fn record(&mut self, message: &Message<'_>, outputs: &Outputs<'_>) -> Result<(), SendError> {
        let came = Instant::now();
        let number = message.partition();
        if !self.pages.contains_key(&number) {
            self.seen = None;
            self.follow_assignment();
        }
        let Some(page) = self.pages.get_mut(&number) else {
            // It ends, and nothing of this becomes visible.
            return Err(SendError::Full);
        };
        let (world, tally) = (&self.world, &mut self.tally);
        let mut desk = Desk { world, tally, outputs, now_ms: clock::unix_ms(), too_large: None };
        page.own(&desk)?;
        match intake::read(message.key(), message.payload(), (number, self.partitions)) {
            Ok(Reading::Here(device, command)) => {
                world.contexts.came(&world.tracer, message, (&device, &command.command_id));
                desk.tally.taken += 1;
                page.apply(&device, Event::Command(command), Some(came), &mut desk)
            }
            Ok(Reading::TooLarge(device, command, size)) => {
                desk.tally.taken += 1;
                desk.too_large = Some(size);
                page.apply(&device, Event::Command(command), Some(came), &mut desk)
            }
            Ok(Reading::Elsewhere) if message.header(MOVED).is_none() => {
                desk.tally.misplaced += 1;
                let traceparent = message.header(TRACEPARENT);
                let headers = [
                    (TYPE_HEADER, b"fleetwire.v1.Command".as_slice()),
                    (MOVED, b""),
                    (TRACEPARENT, traceparent.unwrap_or_default()),
                ];
                let count = if traceparent.is_some() { 3 } else { 2 };
                outputs.send(Record {
                    topic: &self.world.names.commands,
                    key: message.key(),
                    payload: message.payload(),
                    timestamp_ms: message.timestamp_ms(),
                    headers: headers.get(..count).unwrap_or_default(),
                })
            }
            // It would go round for ever.
            Ok(Reading::Elsewhere) => {
                let reason = format!(
                    "the topic no longer has {} partitions as at this gateway's start: start all gateways again",
                    self.partitions
                );
                self.bury(message, &Fault::new("misplaced", reason), outputs)
            }
            Err(fault) => self.bury(message, &fault, outputs),
        }
    }

    fn settled(&mut self, how: Settled) {
        let tally = std::mem::take(&mut self.tally);
        match how {
            Settled::Committed => {
                self.count(tally);
                self.begin_attempts();
            }
            // Kafka knows what holds; it may even have committed after all.
            Settled::Undone => {
                tally.spans.into_iter().for_each(Span::discard);
                self.pages.retain(|_, page| !page.is_touched);
                self.seen = None;
            }
        }
        self.show();
    }

    fn due(&mut self) -> Option<TopicPartition> {
        self.follow_assignment();
        self.show_oldest();
        self.collect();
        // What could not be taken is not offered at once again.
        if std::mem::take(&mut self.is_offered) {
            return None;
        }
        let (now_ms, last) = (clock::unix_ms(), self.last);
        let with_work =
            self.pages.iter().filter(|(_, page)| page.has_work(now_ms)).map(|(number, _)| *number);
        // Partitions have their turns one after the other.
        let number = with_work.min_by_key(|number| (*number <= last, *number))?;
        self.is_offered = true;
        Some(TopicPartition { topic: Arc::clone(&self.world.names.commands), number })
    }

    fn send_due(
        &mut self,
        place: &TopicPartition,
        _position: i64,
        outputs: &Outputs<'_>,
    ) -> Result<(), SendError> {
        (self.is_offered, self.last) = (false, place.number);
        let Some(page) = self.pages.get_mut(&place.number) else { return Ok(()) };
        let (world, tally) = (&self.world, &mut self.tally);
        let mut desk = Desk { world, tally, outputs, now_ms: clock::unix_ms(), too_large: None };
        page.own(&desk)?;
        page.work(PORTION, &mut desk)
    }

    fn is_urgent(&self) -> bool {
        true
    }

    fn rest(&self) -> Duration {
        REST
    }

    fn patience(&self) -> Duration {
        if self.attempts.under_way() > 0 {
            return ATTENTIVE;
        }
        let is_pending = self.pages.values().any(|page| page.pending > 0);
        if is_pending { WATCHFUL } else { Duration::MAX }
    }
}

impl Working {
    /// Puts a record that is no command to the dead letters.
    fn bury(&mut self, message: &Message<'_>, fault: &Fault, outputs: &Outputs<'_>) -> Result<(), SendError> {
        *self.tally.letters.entry(fault.code).or_default() += 1;
        self.letters.send(message, fault, outputs)
    }

    /// Puts what came of attempts to the partitions that they are of.
    fn collect(&mut self) {
        while let Ok(ended) = self.ended.try_recv() {
            match self.pages.get_mut(&ended.partition).filter(|page| page.id == ended.page) {
                Some(page) => page.inbox.push_back((ended.device, ended.outcome)),
                // Whoever read the partition back since repeats the attempt.
                None => self.metrics.ignored_outcomes.increment(1),
            }
        }
    }

    /// Begins the attempts that are noted durably now, where the partition is ours as it was.
    fn begin_attempts(&mut self) {
        let assigned = self.monitor.assigned(&self.world.names.commands);
        for page in self.pages.values_mut() {
            page.is_touched = false;
            let is_ours = assigned.contains(&page.assigned);
            for staged in std::mem::take(&mut page.staged) {
                if is_ours {
                    self.attempts.begin(staged, page.mandate());
                }
            }
        }
    }

    /// Drops what belongs to partitions that are no longer ours, and reads back what is new.
    fn follow_assignment(&mut self) {
        let generation = self.monitor.generation();
        if self.seen == Some(generation) {
            return;
        }
        let assigned = self.monitor.assigned(&self.world.names.commands);
        let is_ours = |partition: i32, since: u64| assigned.contains(&Assigned { partition, since });
        self.pages.retain(|number, page| is_ours(*number, page.assigned.since));
        self.shelves.retain(|number, (since, _)| {
            let is_ours = is_ours(*number, *since);
            if !is_ours {
                self.lanes.remove(*number);
            }
            is_ours
        });
        let missing: Vec<Assigned> =
            assigned.iter().filter(|found| !self.pages.contains_key(&found.partition)).copied().collect();
        if !missing.is_empty() {
            match self.read_back(&missing) {
                Ok(Some(())) => {}
                Ok(None) => return,
                Err(err) => {
                    self.broken.tell(format!("partitions cannot be read back: {err:#}"));
                    self.source.stop.cancel();
                    return;
                }
            }
        }
        self.seen = Some(generation);
        self.show();
    }

    /// Reads partitions back; none if it was stopped first.
    fn read_back(&mut self, missing: &[Assigned]) -> Result<Option<()>> {
        let started = Instant::now();
        let Some(remembered) = self.source.remembered(missing, &self.metrics)? else { return Ok(None) };
        let without: Vec<Assigned> =
            missing.iter().filter(|found| !self.shelves.contains_key(&found.partition)).copied().collect();
        if !without.is_empty() {
            let Some(lanes) = self.source.lanes(&without)? else { return Ok(None) };
            for (number, lane) in lanes {
                let since = without.iter().find(|found| found.partition == number).map_or(0, |one| one.since);
                self.shelves.insert(number, (since, Arc::clone(&lane.shelf)));
                self.lanes.set(number, lane);
            }
        }
        for (number, remembered) in remembered {
            let oldest_ms = remembered.oldest_published_ms();
            let Some(from) = self.source.positions_from(number, oldest_ms)? else { return Ok(None) };
            let assigned = missing.iter().find(|found| found.partition == number).copied();
            let (Some(assigned), Some((_, beside))) = (assigned, self.shelves.get(&number)) else {
                bail!("partition {number} was read back and is nobody's");
            };
            beside.begin(from);
            self.lanes.changed();
            self.next_page += 1;
            let page = Page::new(assigned, self.next_page, Arc::clone(beside), remembered);
            self.pages.insert(number, page);
        }
        self.metrics.rebuild.record(started.elapsed());
        Ok(Some(()))
    }

    fn count(&mut self, tally: Tally) {
        for (following, step) in tally.told {
            following.tell(TraceStepKind::CommandStatus, step);
        }
        self.intake.taken.increment(tally.taken);
        self.metrics.misplaced.increment(tally.misplaced);
        for (code, count) in tally.letters {
            self.intake.dead_letter(code, count);
        }
        for (step, took_ms) in tally.steps {
            self.metrics.step(step, took_ms);
        }
        for ((state, code), count) in tally.statuses {
            self.metrics.status(state, code, count);
        }
    }

    /// Shows for how long the oldest command has been under way, from time to time.
    fn show_oldest(&mut self) {
        let now = Instant::now();
        if now < self.next_show {
            return;
        }
        self.next_show = now + SHOW;
        let oldest_ms = self.pages.values().filter_map(Page::oldest_ms).min();
        self.metrics.oldest(oldest_ms.map_or(0, |since_ms| clock::unix_ms().saturating_sub(since_ms)));
    }

    /// Shows how much there is.
    #[expect(clippy::cast_precision_loss, reason = "gauges")]
    fn show(&self) {
        self.loaded.store(self.pages.len(), Ordering::Release);
        let sum = |count: fn(&Page) -> usize| self.pages.values().map(count).sum::<usize>() as f64;
        self.metrics.pending.set(sum(|page| page.pending));
        self.metrics.devices.set(sum(Page::len));
        let sessions: usize = self.shelves.values().map(|(_, beside)| beside.sessions()).sum();
        self.metrics.sessions.set(sessions as f64);
    }
}
