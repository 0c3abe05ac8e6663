//! The partition of the last record: most records follow one of the same, and need no look into the map.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;

use super::group::Group;
use super::tracker::Partition;

/// The partition of the last record, for as long as the assignment stays.
#[derive(Debug, Default)]
pub(super) struct Current(Option<(u64, Arc<Partition>)>);

impl Current {
    /// The partition of this record.
    pub(super) fn of(&mut self, group: &Group, message: &BorrowedMessage<'_>) -> Arc<Partition> {
        let generation = group.generation.load(Ordering::Acquire);
        if let Some((seen, partition)) = &self.0 {
            let same = *seen == generation
                && partition.number == message.partition()
                && *partition.topic == *message.topic();
            if same {
                return Arc::clone(partition);
            }
        }
        let partition = group.partition(message.topic(), message.partition());
        self.0 = Some((generation, Arc::clone(&partition)));
        partition
    }
}
