//! The projector: positions into device states.
//!
//! One thread takes positions in, another writes what has changed. The state of a device is written soon after its first
//! position, and then again at most once per interval. A position is complete when the state that it is part of is
//! written; of the positions that wait, the oldest of each device holds the offset back.

mod page;
mod source;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleetwire_kafka::{Assigned, Done, Message, Monitor};
use fleetwire_model::DeviceId;
use fleetwire_service::broken::Broken;

use crate::metrics::ProjectorMetrics;
use crate::report::Report;
use crate::view::States;
use page::{Page, When};

pub(crate) use page::Batch;
pub(crate) use source::Source;
pub(crate) use writer::{Pending, Writer, settle};

/// How often it is looked whether the view has got far enough.
const LOOK: Duration = Duration::from_millis(5);
/// States that are written at once.
const MAX_BATCH: usize = 20_000;

/// Shared by the two threads.
#[derive(Debug)]
pub(crate) struct Projector {
    book: Mutex<Book>,
    states: Arc<States>,
    source: Source,
    monitor: Monitor,
    pub(crate) metrics: ProjectorMetrics,
    broken: Broken,
    interval: Duration,
}

/// The partitions that are ours.
#[derive(Debug, Default)]
struct Book {
    pages: HashMap<i32, Page>,
    generation: u64,
    /// Positions of partitions that are gone, or that were never begun. They belong to nobody once the assignment
    /// changes again.
    stranded: Vec<Done>,
}

impl Projector {
    pub(crate) fn new(
        states: Arc<States>,
        source: Source,
        monitor: Monitor,
        broken: Broken,
        interval: Duration,
    ) -> Self {
        let (book, metrics) = (Mutex::default(), ProjectorMetrics::new());
        Self { book, states, source, monitor, metrics, broken, interval }
    }

    /// Whether Kafka answers.
    pub(crate) fn is_ready(&self) -> bool {
        self.monitor.health().connected
    }

    /// Whether the process was told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.source.stop.is_cancelled()
    }

    /// Fails if the topics are not divided alike; false if it was stopped first.
    pub(crate) fn check_partitions(&self) -> anyhow::Result<bool> {
        self.source.check_partitions()
    }

    /// Takes in a position; on the consumer's thread.
    pub(crate) fn take(&self, message: &Message<'_>, done: Done) {
        let partition = message.partition();
        if !self.has_page(partition) && !self.open(partition) {
            self.lock().stranded.push(done);
            return;
        }
        let report = Report::read(message.payload().unwrap_or_default()).ok();
        // What is not keyed by its device has its state in another partition, which may be another projector's.
        let report = report.filter(|report| Some(report.device_id.as_bytes()) == message.key());
        let device = report.as_ref().and_then(|report| report.device_id.parse::<DeviceId>().ok());
        let mut book = self.lock();
        let Some(page) = book.pages.get_mut(&partition) else {
            book.stranded.push(done);
            return;
        };
        let (Some(report), Some(device)) = (report, device) else {
            self.metrics.position(None);
            done.complete();
            return;
        };
        let kind = page.take(device, &report, done, |device| self.states.state(device));
        self.metrics.position(Some(kind));
    }

    /// What is to be written now.
    pub(crate) fn batch(&self) -> Batch {
        let mut guard = self.lock();
        let book = &mut *guard;
        self.follow_assignment(book);
        let assigned = self.monitor.assigned(&self.source.positions);
        let (now, is_stopping) = (Instant::now(), self.is_stopping());
        let mut batch = Batch::default();
        for (partition, page) in &mut book.pages {
            // A partition that is being handed over waits for all of its positions, and so does a stop.
            let is_going = !assigned.contains(&Assigned { partition: *partition, since: page.since });
            let when = When { now, all: is_stopping || is_going, max: MAX_BATCH };
            let has_passed = |end| self.states.progress.has_passed(*partition, end, now, now);
            page.due(when, has_passed, &mut batch);
        }
        self.metrics.waiting(book.pages.values().map(Page::waiting).sum());
        batch
    }

    /// Kafka has a batch, up to these offsets.
    pub(crate) fn wrote(&self, offsets: &HashMap<i32, i64>) {
        let mut book = self.lock();
        for (partition, offset) in offsets {
            if let Some(page) = book.pages.get_mut(partition) {
                page.wrote(*offset);
            }
        }
    }

    /// Keeps the positions of a batch that could not be written, until the consumer has ended.
    pub(crate) fn strand(&self, done: Vec<Done>) {
        self.lock().stranded.extend(done);
    }

    fn has_page(&self, partition: i32) -> bool {
        let mut guard = self.lock();
        let book = &mut *guard;
        self.follow_assignment(book);
        book.pages.contains_key(&partition)
    }

    /// Begins a partition: everything that its last projector wrote must be in the view first. False if it was stopped,
    /// or cannot. The assignment stays as it is meanwhile, because it changes on this thread.
    fn open(&self, partition: i32) -> bool {
        let end = match self.source.end(partition) {
            Ok(Some(end)) => end,
            Ok(None) => return false,
            Err(err) => {
                self.broken.tell(format!("the topic of device states cannot be read: {err:#}"));
                return false;
            }
        };
        let asked = Instant::now();
        while !self.states.progress.has_passed(partition, end, asked, Instant::now()) {
            if self.is_stopping() {
                return false;
            }
            // The view may wait for Kafka, and this thread with it.
            drop(self.monitor.work_for_it());
            std::thread::sleep(LOOK);
        }
        let assigned = self.monitor.assigned(&self.source.positions);
        let since = assigned.iter().find(|assigned| assigned.partition == partition).map_or(0, |a| a.since);
        self.lock().pages.insert(partition, Page::new(since, self.interval));
        true
    }

    /// Drops the partitions that are no longer ours. What they had to write was written before they were handed over;
    /// if it was lost, another projector reads the positions again.
    fn follow_assignment(&self, book: &mut Book) {
        let generation = self.monitor.generation();
        if generation == book.generation {
            return;
        }
        book.generation = generation;
        book.stranded.clear();
        let assigned = self.monitor.assigned(&self.source.positions);
        let ours = |partition, page: &Page| assigned.contains(&Assigned { partition, since: page.since });
        let gone = book.pages.extract_if(|partition, page| !ours(*partition, page));
        book.stranded.extend(gone.flat_map(|(_, page)| page.into_done()));
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
