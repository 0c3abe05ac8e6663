//! Metrics of the decoder; docs/metrics.md lists them.

use std::time::Duration;

use crate::interpret::{Interpretation, OutputKind};
use fleetwire_service::metrics::{CounterFamily, Label, Metric, Section};
use metrics::{Counter, Gauge, Histogram};

const PAYLOADS: Metric = Metric::counter("fleetwire_decoder_payloads_total", "Raw records interpreted.")
    .worry("Stands still while publishes come.");
const COMPLETED: Metric = Metric::counter(
    "fleetwire_decoder_completed_total",
    "Raw records of which Kafka has everything that was made of them. Exact, where the count of a \
     histogram may miss a value that came while it was read.",
)
.worry("Falls behind `fleetwire_decoder_payloads_total`: Kafka does not take events.");
const EVENTS: Metric = Metric::counter("fleetwire_decoder_events_total", "Events made.")
    .from_start(&[Label::words("kind", &["position", "device_event"])])
    .worry("Falls while payloads do not.");
const DEAD_LETTERS: Metric = Metric::counter(
    "fleetwire_decoder_dead_letters_total",
    "Raw records, or parts of them, sent to the dead letters.",
)
.labels(&[Label::words(
    "code",
    &[
        "truncated",
        "version",
        "record_length",
        "block_length",
        "checksum",
        "imei",
        "unmapped_binary",
        "json",
        "no_records",
        "too_many_records",
        "record_kind",
        "no_device_id",
        "device_id",
        "no_time",
        "time",
        "missing_field",
        "bad_field",
        "raw_record",
        "no_identity",
        "not_activated",
        "disabled",
        "identity_mismatch",
        "other",
    ],
)
.note("all but `other` from the start")])
.worry(
    "A jump. What each means and what to do: [operations.md](operations.md#dead-letters). `other` \
     is a defect.",
);
const SKIPPED_RECORDS: Metric = Metric::counter(
    "fleetwire_decoder_skipped_records_total",
    "Records within payloads that are no event of the device; they stay in the raw topic.",
)
.worry("A jump: devices send a kind of record that is not known.");
const REPEATS_DROPPED: Metric = Metric::counter(
    "fleetwire_decoder_repeats_dropped_total",
    "Events that were not produced because an earlier one had the same `dedup_key` \
     (`[decoder.repeats] window`). `events_total` counts them too.",
)
.worry("A jump: devices lose their PUBACKs.");
const LAG_SECONDS: Metric = Metric::gauge(
    "fleetwire_decoder_lag_seconds",
    "Age of the raw record that is worked on, by its reception; 0 while nothing waits. Refreshed \
     twice a second. Rests on the clocks of both machines.",
)
.worry("Grows: the decoders do not keep up, or Kafka does not take the events.");
const EVENTS_PER_PAYLOAD: Metric = Metric::histogram(
    "fleetwire_decoder_events_per_payload",
    "Events made of one payload; 0 for a dead letter alone. One payload of 16 is looked at.",
);
const DECODE_SECONDS: Metric = Metric::histogram(
    "fleetwire_decoder_decode_seconds",
    "Time to interpret one raw record; one of 16 is timed.",
);
const END_TO_END_SECONDS: Metric = Metric::histogram(
    "fleetwire_decoder_end_to_end_seconds",
    "From the frontend's reception of a publish to Kafka's acknowledgement of everything made of it; \
     with `exactly_once`, to the commit. Rests on the clocks of both machines.",
)
.worry("Grows: the decoders do not keep up.");

/// Metrics of the decoder.
pub const SECTION: Section = Section {
    title: "Decoder",
    intro: "",
    metrics: &[&[
        PAYLOADS,
        COMPLETED,
        EVENTS,
        DEAD_LETTERS,
        SKIPPED_RECORDS,
        REPEATS_DROPPED,
        LAG_SECONDS,
        EVENTS_PER_PAYLOAD,
        DECODE_SECONDS,
        END_TO_END_SECONDS,
    ]],
    words: &[],
};

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
        let events = |kind: &'static str| EVENTS.counter_of([kind]);
        Self {
            payloads: PAYLOADS.to_counter(),
            completed: COMPLETED.to_counter(),
            positions: events("position"),
            events: events("device_event"),
            dead_letters: DEAD_LETTERS.family_with(&words()),
            skipped: SKIPPED_RECORDS.to_counter(),
            repeats_dropped: REPEATS_DROPPED.to_counter(),
            lag_seconds: LAG_SECONDS.to_gauge(),
            per_payload: EVENTS_PER_PAYLOAD.to_histogram(),
            decode: DECODE_SECONDS.to_histogram(),
            end_to_end: END_TO_END_SECONDS.to_histogram(),
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
