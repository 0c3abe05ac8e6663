//! Metrics of the decoder; docs/metrics.md lists them.

use std::time::Duration;

use crate::interpret::{Clock, Interpretation, OutputKind};
use fleetwire_codec::Protocol;
use fleetwire_service::metrics::{CounterFamily, Label, Metric, Section};
use metrics::{Counter, Gauge, Histogram};

const PAYLOADS: Metric = Metric::counter("fleetwire_decoder_payloads_total", "Raw records interpreted.")
    .worry("Stands still while publishes come.");
const RESULTS: Metric = Metric::counter(
    "fleetwire_decoder_results_total",
    "Raw records by the protocol that they were read by and what became of them. `events`: all of it is \
     events. `partial`: events, and dead letters of the rest. `repeat`: events, and all of them were \
     repeats. `dead_letter`: no event. The protocol is `none` where nothing says how to read the record.",
)
.worry(
    "`dead_letter` or `partial` of one protocol jumps: a firmware or a mapping has changed; \
     `fleetwire_decoder_dead_letters_total` says why.",
)
.from_start(&[
    Label::words("protocol", &["iotm", "ngp", "globalmatix", "dt7", "json", "none"]),
    Label::words("outcome", &["events", "partial", "repeat", "dead_letter"]),
]);
const CLOCK_SKEW_SECONDS: Metric = Metric::histogram(
    "fleetwire_decoder_clock_skew_seconds",
    "How far the newest record's time is from the reception of its publish, in either direction; one raw \
     record of 16 is looked at. Records that a device kept while it was away count as well.",
)
.worry(
    "The median grows: clocks of devices, or of frontends, are wrong. The upper end grows after an outage, \
     when devices send what they kept.",
);
const CLOCK_SUSPECT: Metric = Metric::counter(
    "fleetwire_decoder_clock_suspect_total",
    "Events whose time is further ahead of their reception, or behind it, than `[decoder.clock]` allows. \
     They are marked with `clock_in_future` or `clock_too_old`.",
)
.worry("`ahead` grows: devices with wrong clocks. `behind`: the same, or what was kept for very long.")
.from_start(&[Label::words("direction", &["ahead", "behind"])]);
const COMPLETED: Metric = Metric::counter(
    "fleetwire_decoder_completed_total",
    "Raw records of which Kafka has everything that was made of them.",
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
     with `exactly_once`, to the commit. Every raw record counts, but for publishes that waited for the \
     activation of their device. The objective is 99.9 % below 10 s. Rests on the clocks of both machines.",
)
.worry("The share above 10 s grows: the decoders do not keep up, or Kafka does not take the events.");

/// Metrics of the decoder.
pub const SECTION: Section = Section {
    title: "Decoder",
    intro: "",
    metrics: &[&[
        PAYLOADS,
        RESULTS,
        COMPLETED,
        EVENTS,
        DEAD_LETTERS,
        SKIPPED_RECORDS,
        REPEATS_DROPPED,
        LAG_SECONDS,
        EVENTS_PER_PAYLOAD,
        DECODE_SECONDS,
        END_TO_END_SECONDS,
        CLOCK_SKEW_SECONDS,
        CLOCK_SUSPECT,
    ]],
    words: &[],
};

/// How many events and dead letters were made of a raw record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Made {
    events: u32,
    letters: u32,
}

/// Of one protocol.
#[derive(Debug)]
struct Results {
    events: Counter,
    partial: Counter,
    repeat: Counter,
    dead_letter: Counter,
}

impl Results {
    fn new(protocol: &'static str) -> Self {
        let of = |outcome: &'static str| RESULTS.counter_of([protocol, outcome]);
        Self {
            events: of("events"),
            partial: of("partial"),
            repeat: of("repeat"),
            dead_letter: of("dead_letter"),
        }
    }

    const fn of(&self, made: Made, repeats: u32) -> &Counter {
        match made {
            Made { events: 0, .. } => &self.dead_letter,
            Made { letters: 1.., .. } => &self.partial,
            Made { events, .. } if events == repeats => &self.repeat,
            Made { .. } => &self.events,
        }
    }
}

/// Handles, made once.
#[derive(Debug)]
pub(crate) struct DecoderMetrics {
    payloads: Counter,
    /// By protocol, and at the end of records without one.
    results: Vec<(&'static str, Results)>,
    clock_ahead: Counter,
    clock_behind: Counter,
    clock_skew: Histogram,
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
        let protocols = Protocol::ALL.iter().map(|protocol| protocol.name()).chain(["none"]);
        let events = |kind: &'static str| EVENTS.counter_of([kind]);
        Self {
            payloads: PAYLOADS.to_counter(),
            results: protocols.map(|protocol| (protocol, Results::new(protocol))).collect(),
            clock_ahead: CLOCK_SUSPECT.counter_of(["ahead"]),
            clock_behind: CLOCK_SUSPECT.counter_of(["behind"]),
            clock_skew: CLOCK_SKEW_SECONDS.to_histogram(),
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
    pub(crate) fn interpreted(&self, result: &Interpretation<'_>, took: Option<Duration>) -> Made {
        self.payloads.increment(1);
        if result.skipped > 0 {
            self.skipped.increment(result.skipped as u64);
        }
        let mut made = Made::default();
        for output in result.outputs() {
            match output.kind {
                OutputKind::Position => self.positions.increment(1),
                OutputKind::Event => self.events.increment(1),
                OutputKind::DeadLetter => {
                    self.dead_letters.increment(output.code.unwrap_or_default());
                    made.letters += 1;
                    continue;
                }
            }
            made.events += 1;
        }
        let Clock { newest_ms, ahead, behind } = result.clock;
        if ahead > 0 || behind > 0 {
            self.clock_ahead.increment(ahead.into());
            self.clock_behind.increment(behind.into());
        }
        if let Some(took) = took {
            self.decode.record(took);
            self.per_payload.record(made.events);
            if let Some(newest_ms) = newest_ms {
                self.clock_skew.record(Duration::from_millis(newest_ms.unsigned_abs()));
            }
        }
        made
    }

    /// Everything made of a raw record was handed over, but for so many events that were repeats.
    pub(crate) fn worked(&self, protocol: &str, made: Made, repeats: u32) {
        if repeats > 0 {
            self.repeats_dropped.increment(repeats.into());
        }
        // There are few protocols; the last stands for none.
        let found = self.results.iter().find(|(name, _)| *name == protocol).or(self.results.last());
        if let Some((_, results)) = found {
            results.of(made, repeats).increment(1);
        }
    }

    /// At `now_ms` everything made of a raw record is in Kafka that a frontend received at `received_ms`, 0
    /// if that is not to count.
    pub(crate) fn produced(&self, received_ms: i64, now_ms: i64) {
        self.completed.increment(1);
        if received_ms <= 0 {
            return;
        }
        let after = now_ms.saturating_sub(received_ms);
        self.end_to_end.record(Duration::from_millis(u64::try_from(after).unwrap_or(0)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let make = || {
            drop(DecoderMetrics::new());
        };
        assert_eq!(fleetwire_service::metrics::undeclared(&[SECTION], make), [""; 0]);
    }
}
