//! What the thread that reads positions and the thread that writes changes share: one ledger for each partition,
//! and the records whose changes are not yet written.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleetwire_kafka::{Assigned, Done, Message, Monitor};
use fleetwire_model::pb::PositionEvent;
use fleetwire_service::clock;
use prost::Message as _;

use crate::evict::let_go;
use crate::ledger::{Change, Ledger};
use crate::metrics::GapsMetrics;
use crate::rules::Rules;
use crate::state::StateReader;
use fleetwire_service::broken::Broken;

/// A partition is read to its end if its newest record is as young as this, or if nothing came for the second time:
/// only then is absence silence.
const YOUNG: Duration = Duration::from_mins(1);
const QUIET: Duration = Duration::from_secs(5);
/// How late a stop is noticed.
const SLICE: Duration = Duration::from_millis(100);

/// Bounds and times of a worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) max_devices: usize,
    pub(crate) max_pending: usize,
    pub(crate) scan_interval: Duration,
}

/// Shared by the two threads.
#[derive(Debug)]
pub(crate) struct Worker {
    book: Mutex<Book>,
    bell: Condvar,
    /// Partitions whose ledger is in memory.
    pages: AtomicUsize,
    rules: Rules,
    states: StateReader,
    monitor: Monitor,
    metrics: GapsMetrics,
    broken: Broken,
    pace: Pace,
}

/// The ledgers.
#[derive(Debug, Default)]
struct Book {
    pages: HashMap<i32, Page>,
    generation: u64,
    pending: usize,
    /// Records that can no longer be completed; kept until the consumer has ended.
    stranded: Vec<Done>,
}

/// The ledger of one partition of ours.
#[derive(Debug)]
struct Page {
    since: u64,
    ledger: Ledger,
    done: Vec<Done>,
    /// When the last record came, and when it was written, Unix milliseconds.
    last: Instant,
    written_ms: i64,
    next_scan: Instant,
}

/// What is to be written, and the records that are complete then.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) changes: Vec<Change>,
    pub(crate) done: Vec<Done>,
}

impl Worker {
    pub(crate) fn new(
        rules: Rules,
        states: StateReader,
        monitor: Monitor,
        broken: Broken,
        pace: Pace,
    ) -> Self {
        Self {
            book: Mutex::default(),
            bell: Condvar::new(),
            pages: AtomicUsize::new(0),
            rules,
            states,
            monitor,
            metrics: GapsMetrics::new(),
            broken,
            pace,
        }
    }

    /// Whether Kafka answers.
    pub(crate) fn hears_kafka(&self) -> bool {
        self.monitor.health().connected
    }

    /// Whether the ledger of every partition that is ours is in memory, and Kafka answers.
    pub(crate) fn is_ready(&self) -> bool {
        let assigned = self.monitor.assigned(&self.states.positions).len();
        self.monitor.health().connected && self.pages.load(Ordering::Acquire) >= assigned
    }

    /// Takes in a position; on the consumer's thread.
    pub(crate) fn take(&self, message: &Message<'_>, done: Done) {
        let mut guard = self.lock();
        let book = &mut *guard;
        self.follow_assignment(book);
        if !book.pages.contains_key(&message.partition()) {
            self.load(book, message.partition());
        }
        let Some(page) = book.pages.get_mut(&message.partition()) else {
            book.stranded.push(done);
            return;
        };
        let position = PositionEvent::decode(message.payload().unwrap_or_default());
        // What is not keyed by its device has its state in another partition, which may be another ledger's.
        let position = position.ok().filter(|event| Some(event.device_id.as_bytes()) == message.key());
        let kind = position
            .filter(|event| !event.device_id.is_empty())
            .map(|event| page.ledger.record(&event, &self.rules, clock::unix_ms()));
        self.metrics.record(kind);
        page.last = Instant::now();
        page.written_ms = message.timestamp_ms().unwrap_or(0);
        page.done.push(done);
        book.pending += 1;
        if book.pending == self.pace.max_pending {
            self.bell.notify_all();
        }
    }

    /// Waits until `due`, or until there is much to write; then takes what is to be written. In between, it reads
    /// back the ledger of a partition that is new, and looks for silent devices. On the writer's thread.
    pub(crate) fn batch(&self, due: Instant) -> Batch {
        let mut guard = self.lock();
        while !self.is_stopping() && guard.pending < self.pace.max_pending {
            let Some(left) = due.checked_duration_since(Instant::now()) else { break };
            guard = self.bell.wait_timeout(guard, left.min(SLICE)).unwrap_or_else(PoisonError::into_inner).0;
        }
        let book = &mut *guard;
        self.follow_assignment(book);
        if !self.is_stopping() {
            self.load_one(book);
            self.look(book);
        }
        let now_ms = clock::unix_ms();
        let mut batch = Batch::default();
        for page in book.pages.values_mut() {
            batch.changes.append(&mut page.ledger.changes(&self.rules, now_ms));
            batch.done.append(&mut page.done);
            self.metrics.forgotten(page.ledger.forgotten());
        }
        book.pending = 0;
        // Nobody has anything to write now, so anybody may go.
        self.metrics.evicted(let_go(&mut book.ledgers(), self.pace.max_devices));
        let ledgers = || book.pages.values().map(|page| &page.ledger);
        self.metrics.size(ledgers().map(Ledger::devices).sum(), ledgers().map(Ledger::open_gaps).sum());
        for gap in batch.changes.iter().flat_map(|change| &change.gaps) {
            self.metrics.change(gap);
        }
        batch
    }

    /// Keeps the records of a batch that could not be written, until the consumer has ended.
    pub(crate) fn strand(&self, done: Vec<Done>) {
        self.lock().stranded.extend(done);
    }

    /// Whether the process was told to stop: what is there is written, and nothing new is looked for.
    pub(crate) fn is_stopping(&self) -> bool {
        self.states.stop.is_cancelled()
    }

    /// Fails if the topics are not divided alike; false if it was stopped first.
    pub(crate) fn check_partitions(&self) -> anyhow::Result<bool> {
        self.states.check_partitions()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the ledgers of partitions that are no longer ours. What they had to write was written before the
    /// partition was handed over; if it was lost, another ledger reads the positions again.
    fn follow_assignment(&self, book: &mut Book) {
        let generation = self.monitor.generation();
        if generation == book.generation {
            return;
        }
        book.generation = generation;
        let assigned = self.monitor.assigned(&self.states.positions);
        let ours = |partition, page: &Page| assigned.contains(&Assigned { partition, since: page.since });
        book.pages.retain(|partition, page| ours(*partition, page));
        book.pending = book.pages.values().map(|page| page.done.len()).sum();
        self.pages.store(book.pages.len(), Ordering::Release);
    }

    fn load_one(&self, book: &mut Book) {
        let assigned = self.monitor.assigned(&self.states.positions);
        let missing = assigned.into_iter().find(|assigned| !book.pages.contains_key(&assigned.partition));
        if let Some(missing) = missing {
            self.load(book, missing.partition);
        }
    }

    /// Reads the ledger of a partition back, unless it is stopped first.
    fn load(&self, book: &mut Book, partition: i32) {
        let assigned = self.monitor.assigned(&self.states.positions);
        let since = assigned.iter().find(|assigned| assigned.partition == partition).map_or(0, |a| a.since);
        // The consumer's thread may wait for what the writer's thread does here.
        let _work = self.monitor.work_for_it();
        let ledger = match self.states.read(partition, &self.rules, &self.metrics) {
            Ok(Some(ledger)) => ledger,
            Ok(None) => return,
            Err(err) => {
                self.broken.tell(format!("the state of partition {partition} cannot be read: {err:#}"));
                return;
            }
        };
        let now = Instant::now();
        let page = Page {
            since,
            ledger,
            done: Vec::new(),
            last: now,
            written_ms: 0,
            next_scan: now + self.pace.scan_interval,
        };
        book.pages.insert(partition, page);
        self.pages.store(book.pages.len(), Ordering::Release);
        self.metrics.evicted(let_go(&mut book.ledgers(), self.pace.max_devices));
    }

    /// Looks for silent devices where it is time to, and where everything was read.
    fn look(&self, book: &mut Book) {
        if !self.monitor.health().connected {
            return;
        }
        // A partition that is being handed over is written to its end, and nothing new is noted in it.
        let assigned = self.monitor.assigned(&self.states.positions);
        let ours = |partition, page: &Page| assigned.contains(&Assigned { partition, since: page.since });
        let (now, now_ms) = (Instant::now(), clock::unix_ms());
        for (partition, page) in &mut book.pages {
            if page.next_scan > now || !page.is_at_the_end(now, now_ms) || !ours(*partition, page) {
                continue;
            }
            page.ledger.scan(&self.rules, now_ms);
            page.next_scan = now + self.pace.scan_interval;
            self.metrics.scan.record(now.elapsed());
        }
    }
}

impl Book {
    fn ledgers(&mut self) -> Vec<&mut Ledger> {
        self.pages.values_mut().map(|page| &mut page.ledger).collect()
    }
}

impl Page {
    fn is_at_the_end(&self, now: Instant, now_ms: i64) -> bool {
        let age = u64::try_from(now_ms.saturating_sub(self.written_ms)).unwrap_or(0);
        Duration::from_millis(age) <= YOUNG || now.duration_since(self.last) >= QUIET
    }
}
