//! Metrics of the decoder; docs/metrics.md lists them.

use std::time::Duration;

use fleetwire_service::metrics::CounterFamily;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::interpret::{Interpretation, OutputKind};

/// Handles, made once.
#[derive(Debug)]
pub(crate) struct DecoderMetrics {
    payloads: Counter,
    positions: Counter,
    events: Counter,
    dead_letters: CounterFamily,
    skipped: Counter,
    per_payload: Histogram,
    decode: Histogram,
    end_to_end: Histogram,
}

impl DecoderMetrics {
    /// Makes the handles.
    pub(crate) fn new() -> Self {
        describe();
        let events = |kind: &'static str| counter!("fleetwire_decoder_events_total", "kind" => kind);
        Self {
            payloads: counter!("fleetwire_decoder_payloads_total"),
            positions: events("position"),
            events: events("device_event"),
            dead_letters: CounterFamily::new("fleetwire_decoder_dead_letters_total", "code", &words()),
            skipped: counter!("fleetwire_decoder_skipped_records_total"),
            per_payload: histogram!("fleetwire_decoder_events_per_payload"),
            decode: histogram!("fleetwire_decoder_decode_seconds"),
            end_to_end: histogram!("fleetwire_decoder_end_to_end_seconds"),
        }
    }

    /// A raw record was interpreted.
    pub(crate) fn interpreted(&self, result: &Interpretation<'_>, took: Duration) {
        self.payloads.increment(1);
        self.decode.record(took);
        self.skipped.increment(result.skipped as u64);
        let mut events: u32 = 0;
        for output in result.outputs() {
            match output.kind {
                OutputKind::Position => self.positions.increment(1),
                OutputKind::Event => self.events.increment(1),
                OutputKind::DeadLetter => {
                    self.dead_letters.increment(output.code.unwrap_or_default());
                    continue;
                }
            }
            events += 1;
        }
        self.per_payload.record(events);
    }

    /// Everything made of a raw record is in Kafka, this long after the frontend received it.
    pub(crate) fn produced(&self, after: Duration) {
        self.end_to_end.record(after);
    }
}

fn words() -> Vec<&'static str> {
    let mut words = [crate::interpret::CODES, fleetwire_codec::DecodeError::CODES].concat();
    words.sort_unstable();
    words.dedup();
    words
}

fn describe() {
    describe_counter!("fleetwire_decoder_payloads_total", "Raw records interpreted.");
    describe_counter!("fleetwire_decoder_events_total", "Events made, by kind.");
    describe_counter!(
        "fleetwire_decoder_dead_letters_total",
        "Raw records, or parts of them, sent to the dead letters, by code."
    );
    describe_counter!(
        "fleetwire_decoder_skipped_records_total",
        "Records within payloads that are no event of the device; they stay in the raw topic."
    );
    describe_histogram!("fleetwire_decoder_events_per_payload", Unit::Count, "Events made of one payload.");
    describe_histogram!(
        "fleetwire_decoder_decode_seconds",
        Unit::Seconds,
        "Time to interpret one raw record."
    );
    describe_histogram!(
        "fleetwire_decoder_end_to_end_seconds",
        Unit::Seconds,
        "Time from the frontend's reception of a publish to Kafka's acknowledgement of everything made of it."
    );
}
