//! Both topics followed into the view, each on a thread of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use fleetwire_kafka::{ClientSettings, Event, Message};
use fleetwire_registry::follow::Followed;
use fleetwire_service::clock;
use fleetwire_service::health::Condition;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::frontends::Heard;
use crate::metrics::ViewMetrics;
use crate::view::{RecordError, States};

/// How often the size of the view is shown.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Which topic is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Sessions,
    DeviceState,
}

/// Follows one topic.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) which: Which,
    pub(crate) client: ClientSettings,
    pub(crate) topic: String,
    pub(crate) states: Arc<States>,
    pub(crate) condition: Condition,
}

impl Follower {
    /// Follows until told to stop; blocks. While Kafka or the topic is away it waits, and says so.
    pub(crate) fn follow(&self, stop: &CancellationToken) -> Result<()> {
        let metrics = ViewMetrics::new();
        let what = Followed { client: &self.client, topic: &self.topic, condition: &self.condition };
        let (mut is_caught_up, mut next_show) = (false, Instant::now());
        what.follow(stop, |event| {
            let now = Instant::now();
            match event {
                Event::Record(record) => self.take(record, now, is_caught_up, &metrics),
                Event::CaughtUp => {
                    is_caught_up = true;
                    if self.which == Which::DeviceState {
                        self.states.progress.caught_up();
                    }
                    info!(
                        topic = self.topic,
                        devices = self.states.len(),
                        "a topic of the device state is read"
                    );
                    self.condition.ready();
                }
                Event::Idle if self.which == Which::DeviceState => self.states.progress.idle(now),
                Event::Idle => {}
            }
            // Validity runs out by itself, so one of the two looks also when nothing comes.
            if self.which == Which::Sessions && now >= next_show {
                next_show = now + SHOW_EVERY;
                metrics.size(self.states.len(), self.states.connected(), self.states.frontends());
            }
        })?;
        Ok(())
    }

    fn take(&self, record: &Message<'_>, now: Instant, is_caught_up: bool, metrics: &ViewMetrics) {
        let (key, value) = (record.key().unwrap_or_default(), record.payload());
        let (word, applied) = match self.which {
            Which::Sessions => {
                let heard = Heard { now, now_ms: clock::unix_ms(), is_old: !is_caught_up };
                ("sessions", self.states.apply_session(key, value, heard))
            }
            Which::DeviceState => ("device_state", self.states.apply_state(key, value)),
        };
        metrics.records.increment(word);
        match applied {
            Ok(()) => {}
            Err(RecordError::Full) => metrics.refused.increment(word),
            Err(err) => {
                metrics.unusable.increment(word);
                let key = String::from_utf8_lossy(key);
                warn!(%err, topic = self.topic, %key, offset = record.offset(), "a record is not usable");
            }
        }
        if self.which == Which::DeviceState {
            self.states.progress.record(record.partition(), record.offset());
        }
    }
}
