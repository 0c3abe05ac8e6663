//! A range of a topic that is written by transactions, with nothing missing that was committed before.

use std::time::Instant;

use rdkafka::config::FromClientConfigAndContext as _;
use tokio_util::sync::CancellationToken;

use super::{Client, Range, RangeReader};
use crate::client::QuietContext;
use crate::error::ClientError;
use crate::reader::{MissingTopic, ReaderError, partitions, retry, watermarks};
use crate::settings::ClientSettings;

impl RangeReader {
    /// As [`Self::new`], but first waits, as long as the start may take, until every transaction that was open in the
    /// partitions has ended: behind an open one lies what is committed and yet not to be read. For state that its
    /// last writer may have left in the middle of a transaction.
    pub fn decided(
        settings: &ClientSettings,
        topic: &str,
        range: Range,
        stop: &CancellationToken,
    ) -> Result<Self, ReaderError> {
        let deadline = Instant::now() + range.ready_timeout;
        let (written, decided) = (client(settings, "read_uncommitted")?, client(settings, "read_committed")?);
        let count = retry(deadline, stop, MissingTopic::Fail, || partitions(&written, topic))?;
        let is_wanted =
            |number: &i32| range.offsets.as_ref().is_none_or(|offsets| offsets.contains_key(number));
        for number in (0..).take(count).filter(is_wanted) {
            let (_, end) = retry(deadline, stop, MissingTopic::Fail, || watermarks(&written, topic, number))?;
            retry(deadline, stop, MissingTopic::Fail, || match watermarks(&decided, topic, number)? {
                (_, stable) if stable >= end => Ok(()),
                _ => Err(ReaderError::Unreachable(format!("a transaction is open in {topic}"))),
            })?;
        }
        Self::new(settings, topic, range, stop)
    }
}

fn client(settings: &ClientSettings, isolation: &str) -> Result<Client, ReaderError> {
    let mut config = settings.consumer_config("fleetwire-range").map_err(ClientError::from)?;
    config.set("isolation.level", isolation);
    Ok(Client::from_config_and_context(&config, QuietContext).map_err(ClientError::from)?)
}
