//! Reads what is held of some devices of a partition again, from the first of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fleetwire_kafka::{ClientSettings, Message, Range, RangeEvent, RangeReader, ReaderError, SendError};
use fleetwire_model::DeviceId;
use tokio_util::sync::CancellationToken;

use crate::knock;
use crate::page::Page;

/// How much one step sends at most, and how long it takes: other records of the group wait meanwhile.
const STEP_RECORDS: usize = 1000;
const STEP: Duration = Duration::from_millis(50);
/// How long the next record may take.
const WAIT: Duration = Duration::from_millis(20);
/// How long Kafka may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// One reading, for all devices of a partition that are to be released when it begins.
#[derive(Debug)]
pub(crate) struct Scan {
    reader: RangeReader,
    devices: HashMap<Vec<u8>, DeviceId>,
    end: i64,
}

/// How far a step came.
#[derive(Debug)]
pub(crate) enum Step {
    /// There is more.
    More(Box<Scan>),
    /// Everything below the offset was read, for these devices.
    Finished(i64, Vec<DeviceId>),
}

/// What became of a publish of one of its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was released.
    Sent,
    /// It is not to be released now.
    Passed,
    /// Its device is not active any more: it is left out of this reading, so that nothing of it is passed over.
    Inactive,
}

/// Why a step failed.
#[derive(Debug)]
pub(crate) enum StepError {
    Read(ReaderError),
    Send(SendError),
}

impl Scan {
    /// Opens the reading of everything that the knocks of a page's wanted devices tell of.
    pub(crate) fn open(
        client: &ClientSettings,
        (topic, partition): (&str, i32),
        page: &Page,
        stop: &CancellationToken,
    ) -> Result<Option<Box<Self>>, ReaderError> {
        let knocks = page.wanted.iter().filter_map(|id| Some((id, page.get(id)?)));
        let open: Vec<_> = knocks.filter(|(_, knock)| !knock::is_released(knock)).collect();
        let Some(start) = open.iter().map(|(_, knock)| knock::next(knock)).min() else {
            return Ok(None);
        };
        let end = open.iter().map(|(_, knock)| knock.last_offset + 1).max().unwrap_or(start);
        let range =
            Range { offsets: Some([(partition, start)].into()), ready_timeout: LIMIT, ..Range::default() };
        let devices = open.iter().map(|(id, _)| (id.as_str().as_bytes().to_vec(), (*id).clone())).collect();
        let reader = RangeReader::new(client, topic, range, stop)?;
        Ok(Some(Box::new(Self { reader, devices, end })))
    }

    /// Hands the next publishes of its devices to `take`.
    pub(crate) fn step(
        mut self: Box<Self>,
        mut take: impl FnMut(&DeviceId, &Message<'_>) -> Result<Taken, SendError>,
    ) -> Result<Step, StepError> {
        let (deadline, mut sent) = (Instant::now() + STEP, 0);
        while sent < STEP_RECORDS && Instant::now() < deadline {
            match self.reader.next(WAIT).map_err(StepError::Read)? {
                RangeEvent::Record(message) if message.offset() < self.end => {
                    let Some(device) = message.key().and_then(|key| self.devices.get(key)) else { continue };
                    match take(device, &message).map_err(StepError::Send)? {
                        Taken::Sent => sent += 1,
                        Taken::Passed => {}
                        Taken::Inactive => {
                            self.devices.remove(message.key().unwrap_or_default());
                        }
                    }
                }
                RangeEvent::Record(_) | RangeEvent::End => {
                    return Ok(Step::Finished(self.end, self.devices.into_values().collect()));
                }
                RangeEvent::Idle => break,
            }
        }
        Ok(Step::More(self))
    }
}
