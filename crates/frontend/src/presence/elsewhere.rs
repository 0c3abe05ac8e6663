//! What other frontends write of devices that have a session here: the newer session stays, and its record too.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fleetwire_kafka::{
    ClientSettings, Event, Message, MissingTopic, Reader, ReaderError, ReaderOptions, Start,
};
use fleetwire_model::DeviceId;
use fleetwire_model::wire::{Field, Fields, WireError};
use fleetwire_mqtt::{End, Sessions};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{Presence, Seen, Table};

/// How long one attempt to open the topic takes.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Follows the sessions topic, from its end: what was before is of no session here.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) client: ClientSettings,
    pub(super) topic: String,
    pub(super) run: String,
    pub(super) presence: Arc<Presence>,
    pub(super) sessions: Sessions,
}

impl Elsewhere {
    /// Follows until told to stop; blocks. While Kafka or the topic is away it waits.
    pub(super) fn follow(&self, stop: &CancellationToken) -> Result<()> {
        let options =
            ReaderOptions { start: Start::End, missing: MissingTopic::Wait, ready_timeout: ATTEMPT };
        let reader = loop {
            match Reader::new(&self.client, &self.topic, options, stop) {
                Ok(reader) => break reader,
                Err(ReaderError::Stopped) => return Ok(()),
                Err(err @ (ReaderError::Unreachable(_) | ReaderError::NoSuchTopic(_))) => {
                    debug!(%err, "sessions elsewhere are not followed yet");
                }
                Err(err) => return Err(err.into()),
            }
        };
        // A session that began before the topic was followed may have a newer one elsewhere. Whoever has that writes it
        // again when it sees the older one's record.
        self.presence.change(Table::write_again);
        reader.run(stop, |event| {
            if let Event::Record(record) = event {
                self.take(&record);
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    fn take(&self, record: &Message<'_>) {
        let key = std::str::from_utf8(record.key().unwrap_or_default());
        // The words of frontends that are alive have a key that is no device's.
        let Some(device) = key.ok().and_then(|key| key.parse::<DeviceId>().ok()) else { return };
        let theirs = match record.payload().map(read) {
            // Nothing can be told of a record that is none.
            Some(Err(_)) => return,
            Some(Ok((_, run))) if run == self.run => return,
            Some(Ok((epoch, _))) => Some(epoch),
            None => None,
        };
        match self.presence.seen(&device, theirs) {
            Seen::Irrelevant => {}
            Seen::Repaired => self.presence.metrics.repairs.increment(1),
            Seen::Newer => {
                info!(device = device.as_str(), "the device has a newer session on another frontend");
                self.presence.metrics.takeovers.increment(1);
                self.sessions.close(device.as_str(), End::TakenOver);
            }
        }
    }
}

/// Epoch and run of a session's record.
fn read(value: &[u8]) -> Result<(u64, &str), WireError> {
    let (mut epoch, mut run) = (0, "");
    for field in Fields::new(value) {
        match field? {
            (4, Field::Varint(number)) => epoch = number,
            (6, Field::Bytes(text)) => run = std::str::from_utf8(text).unwrap_or_default(),
            _ => {}
        }
    }
    Ok((epoch, run))
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::Session;
    use prost::Message as _;

    use super::*;

    #[test]
    fn epoch_and_run_are_read_as_they_were_written() {
        let session = Session { epoch: u64::MAX, frontend_run: "r".into(), ..Session::default() };
        assert_eq!(read(&session.encode_to_vec()), Ok((u64::MAX, "r")));
        assert_eq!(read(&[]), Ok((0, "")));
        assert_eq!(read(&[0x20]), Err(WireError::Truncated));
    }
}
