//! Makes changes: holds the registry's transactional id, knows the newest records, and writes by transactions.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fleetwire_kafka::{ClientSettings, Delivered, FencedError, FencedWriter, ReaderError, TailReader};
use fleetwire_model::{Topic, Topics};
use fleetwire_service::clock;
use rand::Rng as _;
use tracing::{debug, warn};

use super::change::{Applied, ChangeError};
use super::follower::Progress;
use super::metrics::RegistrarMetrics;
use super::plan::{Asked, Plan, Write};
use super::rules::Rules;
use crate::records::Records;

type Outcome = Result<Applied, ChangeError>;

/// Changes of one transaction at most.
const MOST: usize = 5_000;
/// How often others may come first.
const TRIES: u32 = 10;
/// Pause after others came first, at least and for the first time; it doubles, up to sixteen times this.
const PAUSE: Duration = Duration::from_millis(50);
/// How long Kafka may take to commit before the outcome is found out in another way.
const COMMIT: Duration = Duration::from_secs(5);
/// After how long Kafka undoes a transaction that nobody ends.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long Kafka may do nothing when it did nothing before.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How long one question to Kafka may take.
const ASK: Duration = Duration::from_secs(5);

/// Why a transaction has not come about.
#[derive(Debug)]
enum Setback {
    /// Somebody else has taken the id.
    Fenced,
    /// Too large for Kafka.
    TooLarge,
    /// It may go well the next time.
    Failed(String),
    /// Nobody knows whether it is committed, and there is no time left to find out.
    Unknown,
}

/// What makes the changes.
#[derive(Debug)]
pub(super) struct Engine {
    writer: FencedWriter,
    tail: Arc<TailReader>,
    records: Arc<Records>,
    progress: Arc<Progress>,
    rules: Rules,
    devices: String,
    audit: String,
    /// Kafka did not answer lately: whoever comes next waits for a shorter time.
    is_away: bool,
    /// The records are those that were there when the id was taken, and all that we wrote since.
    is_current: bool,
    metrics: RegistrarMetrics,
}

impl Engine {
    pub(super) fn new(
        client: &ClientSettings,
        topics: &Topics,
        rules: Rules,
        (tail, records, progress): (Arc<TailReader>, Arc<Records>, Arc<Progress>),
    ) -> Self {
        let id = format!("{}.registry", topics.prefix());
        Self {
            writer: FencedWriter::new(client, &id, TIMEOUT),
            tail,
            records,
            progress,
            rules,
            devices: topics.name(Topic::Devices),
            audit: topics.name(Topic::Audit),
            is_away: false,
            is_current: false,
            metrics: RegistrarMetrics::new(),
        }
    }

    /// Reads to the end as it is now; tells whether it got there within `limit`.
    pub(super) fn catch_up(&self, limit: Duration) -> Result<bool, ReaderError> {
        let ends = match self.tail.ends(ASK) {
            Ok(ends) => ends,
            Err(ReaderError::Unreachable(reason)) => {
                debug!(reason, "the end of the device registry is not known");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        Ok(self.progress.wait(ends, Instant::now() + limit))
    }

    /// Makes changes, in as many transactions as it takes. `patience` is how long Kafka may do nothing.
    pub(super) fn apply(&mut self, asked: &[Asked<'_>], patience: Duration) -> Vec<Outcome> {
        let patience = if self.is_away { patience.min(IMPATIENCE) } else { patience };
        let outcomes = self.outcomes(asked, patience);
        let is_away = |outcome: &Outcome| matches!(outcome, Err(ChangeError::Unavailable(_)));
        self.is_away = outcomes.last().is_some_and(is_away);
        for outcome in &outcomes {
            self.metrics.outcome(outcome);
        }
        outcomes
    }

    fn outcomes(&mut self, asked: &[Asked<'_>], patience: Duration) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(asked.len());
        let (mut most, mut tries, mut deadline) = (MOST, 0, Instant::now() + patience);
        while let Some((_, rest)) = asked.split_at_checked(outcomes.len())
            && !rest.is_empty()
        {
            let (part, _) = rest.split_at(most.min(rest.len()));
            let error = match self.round(part, deadline) {
                Ok(done) => {
                    outcomes.extend(done);
                    (most, tries, deadline) = ((most * 2).min(MOST), 0, Instant::now() + patience);
                    continue;
                }
                Err(Setback::TooLarge) if part.len() > 1 => {
                    most = part.len() / 2;
                    continue;
                }
                Err(Setback::TooLarge) => {
                    outcomes.push(Err(ChangeError::TooLarge));
                    continue;
                }
                Err(Setback::Fenced) if tries < TRIES => {
                    tries += 1;
                    pause(tries);
                    continue;
                }
                Err(Setback::Failed(reason)) if Instant::now() < deadline => {
                    debug!(reason, "changes of the registry are tried again");
                    pause(1);
                    continue;
                }
                Err(Setback::Fenced) => ChangeError::Contended,
                Err(Setback::Failed(reason)) => ChangeError::Unavailable(format!("nothing was changed: {reason}")),
                Err(Setback::Unknown) => ChangeError::Unavailable(
                    "Kafka did not answer, so it is not known whether this was changed: look before you try again"
                        .to_owned(),
                ),
            };
            outcomes.resize(asked.len(), Err(error));
        }
        outcomes
    }

    /// One transaction.
    fn round(&mut self, asked: &[Asked<'_>], deadline: Instant) -> Result<Vec<Outcome>, Setback> {
        self.hold(deadline)?;
        let plan = |this: &Self| Plan::new(&this.rules, &this.records, asked, clock::unix_ms());
        let mut made = plan(self);
        if made.rests_on_records() {
            // Somebody may have taken the id meanwhile, and a refusal is not refused by Kafka.
            self.read_to_end(deadline)?;
            made = plan(self);
        }
        if made.writes.is_empty() {
            return Ok(made.outcomes);
        }
        let begun = Instant::now();
        let delivered = self.writer.send(&made.records(&self.devices, &self.audit), COMMIT);
        let delivered = delivered.map_err(|error| self.setback(error))?;
        if let Some(first) = delivered.first() {
            self.progress.seek(*first);
        }
        match self.writer.commit(COMMIT) {
            Ok(()) => {
                self.metrics.committed(made.writes.len(), begun.elapsed());
                self.show(&made, &delivered, deadline);
            }
            Err(FencedError::Unknown) => self.find_out(&made, deadline)?,
            Err(error) => return Err(self.setback(error)),
        }
        Ok(made.outcomes)
    }

    fn setback(&self, error: FencedError) -> Setback {
        match error {
            FencedError::Fenced => {
                self.metrics.fenced();
                Setback::Fenced
            }
            FencedError::TooLarge => Setback::TooLarge,
            error => Setback::Failed(error.to_string()),
        }
    }

    /// Makes sure that the id is ours and the records are the newest.
    fn hold(&mut self, deadline: Instant) -> Result<(), Setback> {
        if !self.writer.is_held() {
            self.is_current = false;
            let left = deadline.saturating_duration_since(Instant::now());
            self.writer.take(left).map_err(|error| match error {
                FencedError::Fenced => Setback::Fenced,
                error => Setback::Failed(error.to_string()),
            })?;
            self.metrics.taken();
        }
        if !self.is_current {
            self.read_to_end(deadline)?;
            self.is_current = true;
        }
        Ok(())
    }

    fn read_to_end(&self, deadline: Instant) -> Result<(), Setback> {
        match self.catch_up(deadline.saturating_duration_since(Instant::now())) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Setback::Failed("the device registry could not be read to its end".to_owned())),
            Err(error) => Err(Setback::Failed(error.to_string())),
        }
    }

    /// Waits until what was written is in the records.
    fn show(&mut self, plan: &Plan, delivered: &[Delivered], deadline: Instant) {
        let mut ends = vec![0; self.tail.partitions()];
        // The devices come first, the audit trail is in another topic.
        for place in delivered.iter().take(plan.writes.len()) {
            let end = usize::try_from(place.partition).ok().and_then(|number| ends.get_mut(number));
            if let Some(end) = end {
                *end = place.offset.saturating_add(1).max(*end);
            }
        }
        self.is_current = self.progress.wait(ends, deadline);
        if !self.is_current {
            warn!("changes of the registry are made, and could not be read back in time");
        }
    }

    /// Whether a transaction was committed of which Kafka did not say so.
    fn find_out(&mut self, plan: &Plan, deadline: Instant) -> Result<(), Setback> {
        self.metrics.unknown();
        loop {
            match self.hold(deadline) {
                Ok(()) => break,
                Err(_) if Instant::now() < deadline => pause(1),
                Err(_) => return Err(Setback::Unknown),
            }
        }
        // All of a transaction is in or nothing. Its first record is looked for, because somebody may have changed its
        // devices again since.
        let is_in = |write: &Write| {
            self.records.get(&write.device).is_some_and(|found| found.change_id == write.change_id)
        };
        if self.progress.found() || plan.writes.iter().any(is_in) {
            return Ok(());
        }
        Err(Setback::Failed("Kafka did not commit in time".to_owned()))
    }
}

/// Gives others time to finish, each another.
fn pause(tries: u32) {
    let most = PAUSE * 2_u32.pow(tries.clamp(1, 4));
    thread::sleep(rand::rng().random_range(PAUSE..=most));
}
