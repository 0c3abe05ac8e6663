//! Commands as JSON, written again as protobuf: a second member of a group, so that what reads commands has one form.

mod form;

use std::collections::HashMap;

use anyhow::Result;
use fleetwire_kafka::{Message, Outputs, Record, SendError, Settled, Transform, Transformer};
use fleetwire_model::TYPE_HEADER;
use fleetwire_service::clock;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::letter::Letters;
use crate::metrics::IntakeMetrics;

/// Converts.
#[derive(Debug)]
pub(crate) struct Converter {
    transformer: Transformer,
    converting: Converting,
}

#[derive(Debug)]
struct Converting {
    commands: String,
    letters: Letters,
    metrics: IntakeMetrics,
    taken: u64,
    refused: HashMap<&'static str, u64>,
}

impl Converter {
    /// Writes to the topic of commands what `transformer` reads.
    pub(crate) fn new(transformer: Transformer, commands: String, letters: Letters) -> Self {
        let metrics = IntakeMetrics::new("json");
        let converting = Converting { commands, letters, metrics, taken: 0, refused: HashMap::new() };
        Self { transformer, converting }
    }

    /// Converts until the stop; blocks the thread.
    pub(crate) fn run(mut self, stop: &CancellationToken) -> Result<()> {
        Ok(self.transformer.run(stop, &mut self.converting)?)
    }
}

impl Transform for Converting {
    fn record(&mut self, message: &Message<'_>, outputs: &Outputs<'_>) -> Result<(), SendError> {
        let written_ms = message.timestamp_ms().unwrap_or_else(clock::unix_ms);
        match form::parse(message.key(), message.payload(), written_ms) {
            Ok((device, command)) => {
                self.taken += 1;
                outputs.send(Record {
                    topic: &self.commands,
                    key: Some(device.as_str().as_bytes()),
                    payload: Some(&command.encode_to_vec()),
                    timestamp_ms: message.timestamp_ms(),
                    headers: &[(TYPE_HEADER, b"fleetwire.v1.Command")],
                })
            }
            Err(fault) => {
                *self.refused.entry(fault.code).or_default() += 1;
                self.letters.send(message, &fault, outputs)
            }
        }
    }

    fn settled(&mut self, how: Settled) {
        let (taken, refused) = (std::mem::take(&mut self.taken), std::mem::take(&mut self.refused));
        if how == Settled::Committed {
            self.metrics.taken.increment(taken);
            for (code, count) in refused {
                self.metrics.dead_letter(code, count);
            }
        }
    }
}
