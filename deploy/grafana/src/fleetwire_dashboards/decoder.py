"""How late are positions, what makes no sense, and do the decoders keep up?"""

from .parts import (
    BY_PROCESS,
    GREEN,
    PROCESS,
    RED,
    YELLOW,
    answer,
    board,
    graph,
    highest,
    quantile,
    quantiles,
    rate,
    row,
    series,
    steps,
    total,
    within,
)

END_TO_END = "fleetwire_decoder_end_to_end_seconds"
RAW = 'topic=~".+[.]raw[.]v1"'


def _answers():
    return [
        row("Answers"),
        answer(
            "Decoded",
            "Raw records of which Kafka has everything that was made of them, a second.",
            rate("fleetwire_decoder_completed_total"),
            "ops",
            steps((0.001, GREEN), base=RED),
        ),
        answer(
            "Positions",
            "Positions made, a second.",
            rate("fleetwire_decoder_events_total", 'kind="position"'),
            "ops",
            steps((0.001, GREEN), base=RED),
        ),
        answer(
            "How late (99 %)",
            "From the reception of a publish to its positions in Kafka: 99 of 100 are faster.",
            quantile("0.99", END_TO_END),
            "s",
            steps((5, YELLOW), (10, RED)),
        ),
        answer(
            "Within 10 s",
            "Over the time shown. The objective is 99.9 %.",
            within(END_TO_END, 10),
            "percentunit",
            steps((0.999, GREEN), base=RED),
            decimals=3,
        ),
        answer(
            "Records that wait",
            "Records of the raw topic that no decoder has committed.",
            total("fleetwire_kafka_lag_records", RAW),
            "short",
            steps((10000, YELLOW), (100000, RED)),
            to="fleetwire-kafka",
            decimals=0,
        ),
        answer(
            "Oldest that waits",
            "Age of the oldest of them.",
            highest("fleetwire_kafka_lag_seconds", RAW),
            "s",
            steps((10, YELLOW), (60, RED)),
            to="fleetwire-kafka",
        ),
        answer(
            "Dead letters",
            "Share of payloads, or parts of them, that make no sense.",
            f"{rate('fleetwire_decoder_dead_letters_total')} / {rate('fleetwire_decoder_payloads_total')}",
            "percentunit",
            steps((0.01, YELLOW), (0.25, RED)),
        ),
        answer(
            "Decoders",
            "Processes that decode.",
            f"count({series('fleetwire_decoder_lag_seconds')})",
            "short",
            steps((1, GREEN), base=RED),
            decimals=0,
        ),
    ]


def _lateness():
    return [
        row("Lateness"),
        graph(
            "From reception to position",
            "Half, 95 and 99 of 100 publishes are faster.",
            quantiles(END_TO_END),
            "s",
            steps((10, RED)),
        ),
        graph(
            "Records that wait, by partition",
            "All grow: too few decoders, or Kafka does not take the events. One grows: a device that floods, or a decoder that hangs.",
            [(total("fleetwire_kafka_lag_records", RAW, "partition"), "partition {{partition}}")],
            "short",
            steps((100000, RED)),
        ),
        graph(
            "Age of what is worked on, by decoder",
            "Grows: this decoder does not keep up.",
            [(highest("fleetwire_decoder_lag_seconds", by=BY_PROCESS), PROCESS)],
            "s",
            steps((10, YELLOW), (60, RED)),
        ),
    ]


def _results():
    return [
        row("Results"),
        graph(
            "Payloads by protocol and outcome",
            "What became of each payload.",
            [(rate("fleetwire_decoder_results_total", by="protocol, outcome"), "{{protocol}} {{outcome}}")],
            "ops",
            stack=True,
        ),
        graph(
            "Dead letters by reason",
            "operations.md, Dead letters, says what each means and what to do.",
            [(rate("fleetwire_decoder_dead_letters_total", by="code"), "{{code}}")],
            "ops",
            stack=True,
        ),
        graph(
            "Events by kind, and repeats",
            "Repeats are events that a device sent twice: it had no PUBACK. Not produced where a window is set.",
            [
                (rate("fleetwire_decoder_events_total", by="kind"), "{{kind}}"),
                (rate("fleetwire_decoder_repeats_dropped_total"), "repeats dropped"),
                (rate("fleetwire_decoder_skipped_records_total"), "no event of the device"),
            ],
            "ops",
        ),
        graph(
            "Events of one payload",
            "Mean. Rises after an outage: devices send what they had kept.",
            [
                (
                    f"{rate('fleetwire_decoder_events_per_payload_sum')} / {rate('fleetwire_decoder_events_per_payload_count')}",
                    "events",
                )
            ],
            "short",
        ),
        graph(
            "Clocks of devices",
            "How far the device's time is from the reception, of what claims to be live.",
            quantiles("fleetwire_decoder_clock_skew_seconds"),
            "s",
            steps((30, YELLOW)),
        ),
        graph(
            "Suspect clocks",
            "Records whose time is too far ahead or behind to be true.",
            [(rate("fleetwire_decoder_clock_suspect_total", by="direction"), "{{direction}}")],
            "ops",
        ),
    ]


def _work():
    return [
        row("Work"),
        graph(
            "Time to decode",
            "One payload, without Kafka. A jump after a release: that build is slower.",
            quantiles("fleetwire_decoder_decode_seconds"),
            "s",
        ),
        graph(
            "Decoded and begun",
            "The two run together. completed falls behind: Kafka does not take the events.",
            [
                (rate("fleetwire_decoder_payloads_total"), "begun"),
                (rate("fleetwire_decoder_completed_total"), "completed"),
            ],
            "ops",
        ),
        graph(
            "Partitions by decoder",
            "The sum has to be the number of partitions of the raw topic.",
            [(total("fleetwire_kafka_assigned_partitions", by=BY_PROCESS), PROCESS)],
            "short",
            stack=True,
        ),
        graph(
            "Unfinished records, and pauses",
            "Records handed over and not completed; pauses a second because too many were.",
            [
                (total("fleetwire_kafka_unfinished_records", by=BY_PROCESS), PROCESS),
                (rate("fleetwire_kafka_pauses_total"), "pauses a second"),
            ],
            "short",
        ),
        graph(
            "Transactions",
            "With exactly_once. undone steadily is work for nothing; timed_out: Kafka was away.",
            [(rate("fleetwire_kafka_transactions_total", by="outcome"), "{{outcome}}")],
            "ops",
        ),
        graph(
            "CPU by decoder",
            "Cores used. Compare with its limit: near it, payloads wait.",
            [
                (
                    f"sum by ({BY_PROCESS}) (rate({series('process_cpu_seconds_total')}[$__rate_interval]) and on (job, instance) fleetwire_decoder_lag_seconds)",
                    PROCESS,
                )
            ],
            "short",
        ),
    ]


def dashboard():
    """The dashboard of the decoders."""
    panels = [*_answers(), *_lateness(), *_results(), *_work()]
    return board(
        "decoder", "Decoder", "How late are positions, what makes no sense, and do the decoders keep up?", panels
    )
