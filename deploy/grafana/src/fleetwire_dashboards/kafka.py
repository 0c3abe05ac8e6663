"""Kafka as fleetwire meets it, and how far the processes are from their bounds."""

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
)

OUTCOME = "fleetwire_kafka_deliveries_total"
BAD = 'outcome!~"delivered|ended"'


def _answers():
    return [
        row("Answers"),
        answer(
            "Records to Kafka",
            "Records that Kafka has taken, of all producers, a second.",
            rate(OUTCOME, 'outcome="delivered"'),
            "ops",
            steps((0.001, GREEN), base=RED),
        ),
        answer(
            "Not taken",
            "Records that Kafka did not take, a second. Should be 0.",
            rate(OUTCOME, BAD),
            "ops",
            steps((0.001, RED)),
        ),
        answer(
            "Delivery (99 %)",
            "From handing a record to the client to Kafka's answer: 99 of 100 are faster. PUBACKs wait for it.",
            quantile("0.99", "fleetwire_kafka_delivery_seconds"),
            "s",
            steps((0.5, YELLOW), (1, RED)),
        ),
        answer(
            "Slowest broker",
            "Mean round trip of the producers to the slowest broker. Consumers wait for records in theirs.",
            highest("fleetwire_kafka_broker_rtt_seconds", 'client="producer"'),
            "s",
            steps((0.05, YELLOW), (0.5, RED)),
        ),
        answer(
            "Records that wait",
            "Records that consumers have not committed.",
            total("fleetwire_kafka_lag_records"),
            "short",
            steps((10000, YELLOW), (100000, RED)),
            decimals=0,
        ),
        answer(
            "Oldest that waits",
            "Age of the oldest of them.",
            highest("fleetwire_kafka_lag_seconds"),
            "s",
            steps((10, YELLOW), (60, RED)),
        ),
        answer(
            "Read errors",
            "Errors of consumers, a second. Should be 0.",
            rate("fleetwire_kafka_consumer_errors_total"),
            "ops",
            steps((0.001, YELLOW), (1, RED)),
        ),
        answer(
            "Highest share of open files",
            "Of any process. At 100 % it accepts no connection.",
            f"max({series('process_open_fds')} / {series('process_max_fds')})",
            "percentunit",
            steps((0.6, YELLOW), (0.8, RED)),
        ),
    ]


def _producers():
    return [
        row("Producers"),
        graph(
            "Outcomes other than delivered",
            "timed_out: slow or away. not_enough_replicas: brokers are down. auth: rights. ended belongs to a stop.",
            [(rate(OUTCOME, 'outcome!="delivered"', "outcome"), "{{outcome}}")],
            "ops",
            steps((0.01, RED)),
        ),
        graph(
            "Delivery time",
            "Half, 95 and 99 of 100 records are faster.",
            quantiles("fleetwire_kafka_delivery_seconds"),
            "s",
            steps((1, RED)),
        ),
        graph(
            "Round trip by client",
            "Mean of the slowest broker. The producers' rises first when Kafka or the network is in trouble; that of consumers holds their wait for records, up to half a second.",
            [(highest("fleetwire_kafka_broker_rtt_seconds", by="job, client"), "{{job}} {{client}}")],
            "s",
            steps((0.5, RED)),
        ),
        graph(
            "Records in flight",
            "Records that wait for their outcome. At the bound of [kafka.producer] the work waits.",
            [(total("fleetwire_kafka_in_flight_records", by=BY_PROCESS), PROCESS)],
            "short",
            steps((100000, RED)),
        ),
        graph(
            "Requests that wait for brokers",
            "In the clients' send buffers. Grows: the network or a broker takes no more.",
            [(highest("fleetwire_kafka_outbuf_requests", by="job, client"), "{{job}} {{client}}")],
            "short",
            steps((100, YELLOW)),
        ),
        graph(
            "Repeats and timeouts of requests",
            "A broker that restarts makes some of each.",
            [
                (rate("fleetwire_kafka_request_retries_total", by="client"), "repeats: {{client}}"),
                (rate("fleetwire_kafka_request_timeouts_total", by="client"), "timeouts: {{client}}"),
                (highest("fleetwire_kafka_throttle_seconds", by="client"), "throttled for (s): {{client}}"),
            ],
            "short",
            steps((1, YELLOW)),
        ),
    ]


def _consumers():
    return [
        row("Consumers"),
        graph(
            "Lag in records, by topic",
            "Grows: too few processes for what comes, or Kafka does not take what they make.",
            [(total("fleetwire_kafka_lag_records", by="group, topic"), "{{group}} {{topic}}")],
            "short",
            steps((100000, RED)),
        ),
        graph(
            "Lag in time, by topic",
            "Age of the oldest record that waits.",
            [(highest("fleetwire_kafka_lag_seconds", by="group, topic"), "{{group}} {{topic}}")],
            "s",
            steps((10, YELLOW), (60, RED)),
        ),
        graph(
            "Partitions with the most waiting",
            "The ten with the most. One far above the others: one device, or one process.",
            [
                (
                    f"topk(10, {total('fleetwire_kafka_lag_records', by='group, topic, partition')})",
                    "{{group}} {{topic}} {{partition}}",
                )
            ],
            "short",
            steps((100000, RED)),
        ),
        graph(
            "Rebalances",
            "Changes of the assignment a second. lost: a process was away for too long.",
            [(rate("fleetwire_kafka_rebalances_total", by="kind"), "{{kind}}")],
            "ops",
            steps((0.1, YELLOW)),
        ),
        graph(
            "Read errors by kind",
            "offset_out_of_range: retention overtook a consumer, data is lost for it.",
            [(rate("fleetwire_kafka_consumer_errors_total", by="kind"), "{{kind}}")],
            "ops",
            steps((0.1, RED)),
        ),
        graph(
            "Commits",
            "failed grows: records will be worked again.",
            [(rate("fleetwire_kafka_commits_total", by="outcome"), "{{outcome}}")],
            "ops",
        ),
    ]


def _capacity():
    return [
        row("Capacity"),
        graph(
            "CPU",
            "Cores used, by process. Compare with its limit.",
            [(f"sum by ({BY_PROCESS}) (rate({series('process_cpu_seconds_total')}[$__rate_interval]))", PROCESS)],
            "short",
        ),
        graph(
            "Memory",
            "Resident, by process. Compare with its limit.",
            [(total("process_resident_memory_bytes", by=BY_PROCESS), PROCESS)],
            "bytes",
        ),
        graph(
            "Open files",
            "Share of the limit, by process. Each connection is one.",
            [(f"{total('process_open_fds', by=BY_PROCESS)} / {total('process_max_fds', by=BY_PROCESS)}", PROCESS)],
            "percentunit",
            steps((0.8, RED)),
        ),
        graph(
            "Registry memory",
            "Tables of devices, with the free places in them.",
            [(highest("fleetwire_registry_table_bytes", by=BY_PROCESS), PROCESS)],
            "bytes",
        ),
        graph(
            "Registry lag (99 %)",
            "From the writing of a change of a device until it counts in a process.",
            [(quantile("0.99", "fleetwire_registry_lag_seconds", by=BY_PROCESS), PROCESS)],
            "s",
            steps((2, YELLOW), (10, RED)),
        ),
        graph(
            "API",
            "Requests a second by status.",
            [(rate("fleetwire_api_requests_total", by="status"), "{{status}}")],
            "reqps",
            stack=True,
        ),
    ]


def dashboard():
    """The dashboard of Kafka and of capacity."""
    panels = [*_answers(), *_producers(), *_consumers(), *_capacity()]
    return board(
        "kafka",
        "Kafka and capacity",
        "Kafka as fleetwire meets it, and how far the processes are from their bounds.",
        panels,
    )
