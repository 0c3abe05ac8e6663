//! A consumer seen from outside its thread: is it reading, and how far behind is it?

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::group::Group;
use super::tracker::lock;
use crate::heart::Carried;

/// The state of a consumer at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether a broker answered lately.
    pub connected: bool,
    /// Partitions assigned to this member; none is normal while the group has more members than partitions.
    pub partitions: usize,
    /// Whether the group ever gave an answer (an assignment, be it empty).
    pub joined: bool,
    /// Records handed over and not completed.
    pub in_flight: usize,
    /// Records dropped without completion: a defect; the consumer ends.
    pub abandoned: usize,
    /// Offset commits that Kafka never acknowledged; each was sent again.
    pub lost_commits: u64,
    /// The last error, for people.
    pub last_error: Option<String>,
}

/// How far one partition is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionLag {
    /// Name of the topic.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Records from the commit mark to the end; refreshed every few seconds.
    pub lag: i64,
}

/// One assignment of one partition; a later assignment of the same partition has another `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// Number of the partition.
    pub partition: i32,
    /// Grows from one assignment to the next.
    pub since: u64,
}

/// Sees a [`Consumer`](super::Consumer) from any thread, while it runs and after.
#[derive(Debug, Clone)]
pub struct Monitor(Arc<Group>);

impl Monitor {
    pub(super) fn new(group: Arc<Group>) -> Self {
        Self(group)
    }

    /// Its state now.
    pub fn health(&self) -> Health {
        let group = &self.0;
        Health {
            connected: group.connection.is_up(),
            partitions: group.assigned(),
            joined: group.generation.load(Ordering::Acquire) > 0,
            in_flight: group.in_flight.records(),
            abandoned: group.in_flight.abandoned(),
            lost_commits: group.lost_commits.load(Ordering::Relaxed),
            last_error: lock(&group.last_error).clone(),
        }
    }

    /// How long its loop has given no sign of life; nothing while it has not begun. While Kafka is away the loop waits in
    /// turns of seconds and gives signs, so a long silence is a defect of this process.
    pub fn silence(&self) -> Duration {
        self.0.heart.silence()
    }

    /// For as long as what is returned lives, what this thread waits for of Kafka counts as the loop's own work: for a
    /// thread that the loop's thread may have to wait for.
    pub fn work_for_it(&self) -> Carried {
        self.0.heart.carry()
    }

    /// Grows with each change of the assignment, and whenever records will be handed over again.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// The partitions of a topic that this member has.
    pub fn assigned(&self, topic: &str) -> Vec<Assigned> {
        let held = self.0.held();
        let of_topic = held.iter().filter(|held| *held.partition.topic == *topic);
        of_topic.map(|held| Assigned { partition: held.partition.number, since: held.since }).collect()
    }

    /// Partitions whose lag is known.
    pub fn lag(&self) -> Vec<PartitionLag> {
        let held = self.0.held();
        let known = held.into_iter().filter_map(|held| {
            Some(PartitionLag {
                topic: held.partition.topic.to_string(),
                partition: held.partition.number,
                lag: held.lag?,
            })
        });
        known.collect()
    }
}
