//! Metrics of the decoder; docs/metrics.md lists them.

use std::time::Duration;

use fleetwire_service::metrics::CounterFamily;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::interpret::{Interpretation, OutputKind};

/// Handles, made once.
#[derive(Debug)]
pub(crate) struct DecoderMetrics {
    payloads: Counter,
    completed: Counter,
    positions: Counter,
    events: Counter,
    dead_letters: CounterFamily,
    skipped: Counter,
    repeats_dropped: Counter,
    lag_seconds: Gauge,
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
            completed: counter!("fleetwire_decoder_completed_total"),
            positions: events("position"),
            events: events("device_event"),
            dead_letters: CounterFamily::new("fleetwire_decoder_dead_letters_total", "code", &words()),
            skipped: counter!("fleetwire_decoder_skipped_records_total"),
            repeats_dropped: counter!("fleetwire_decoder_repeats_dropped_total"),
            lag_seconds: gauge!("fleetwire_decoder_lag_seconds"),
            per_payload: histogram!("fleetwire_decoder_events_per_payload"),
            decode: histogram!("fleetwire_decoder_decode_seconds"),
            end_to_end: histogram!("fleetwire_decoder_end_to_end_seconds"),
        }
    }

    /// A raw record was interpreted, in this time if it was one of those that are timed.
    pub(crate) fn interpreted(&self, result: &Interpretation<'_>, took: Option<Duration>) {
        self.payloads.increment(1);
        if result.skipped > 0 {
            self.skipped.increment(result.skipped as u64);
        }
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
        if let Some(took) = took {
            self.decode.record(took);
            self.per_payload.record(events);
        }
    }

    /// At `now_ms` everything made of a raw record is in Kafka that a frontend received at `received_ms`.
    pub(crate) fn produced(&self, received_ms: i64, now_ms: i64) {
        self.completed.increment(1);
        let after = now_ms.saturating_sub(received_ms);
        self.end_to_end.record(Duration::from_millis(u64::try_from(after).unwrap_or(0)));
    }

    /// An event was not produced, because an earlier one has its key.
    pub(crate) fn repeat_dropped(&self) {
        self.repeats_dropped.increment(1);
    }

    /// What is worked on is this old.
    pub(crate) fn behind(&self, age: Duration) {
        self.lag_seconds.set(age.as_secs_f64());
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
    describe_counter!(
        "fleetwire_decoder_completed_total",
        "Raw records of which Kafka has everything that was made of them."
    );
    describe_counter!("fleetwire_decoder_events_total", "Events made, by kind.");
    describe_counter!(
        "fleetwire_decoder_dead_letters_total",
        "Raw records, or parts of them, sent to the dead letters, by code."
    );
    describe_counter!(
        "fleetwire_decoder_skipped_records_total",
        "Records within payloads that are no event of the device; they stay in the raw topic."
    );
    describe_counter!(
        "fleetwire_decoder_repeats_dropped_total",
        "Events that were not produced because a device had sent them before."
    );
    describe_gauge!(
        "fleetwire_decoder_lag_seconds",
        Unit::Seconds,
        "Age of the raw record that is worked on, by its reception; 0 while nothing waits."
    );
    describe_histogram!(
        "fleetwire_decoder_events_per_payload",
        Unit::Count,
        "Events made of one payload; one of 16 is looked at."
    );
    describe_histogram!(
        "fleetwire_decoder_decode_seconds",
        Unit::Seconds,
        "Time to interpret one raw record; one of 16 is timed."
    );
    describe_histogram!(
        "fleetwire_decoder_end_to_end_seconds",
        Unit::Seconds,
        "Time from the frontend's reception of a publish to Kafka's acknowledgement of everything made of it."
    );
}
