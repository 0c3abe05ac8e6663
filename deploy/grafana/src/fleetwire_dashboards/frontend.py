"""Who connects, who is refused, and how long a publish waits for its PUBACK."""

from .parts import (
    BY_PROCESS,
    GREEN,
    PROCESS,
    RED,
    YELLOW,
    answer,
    board,
    graph,
    quantile,
    quantiles,
    rate,
    row,
    series,
    steps,
    total,
    within,
)

PUBACK = "fleetwire_frontend_puback_seconds"


def _answers():
    return [
        row("Answers"),
        answer(
            "Sessions",
            "Sessions whose CONNECT was accepted, on the selected frontends.",
            total("fleetwire_frontend_sessions"),
            "short",
            steps((1, GREEN), base=RED),
            decimals=0,
        ),
        answer(
            "Connections without session",
            "Open connections that have no session. Many: somebody opens connections and says nothing, or logins are slow.",
            f"{total('fleetwire_frontend_connections')} - {total('fleetwire_frontend_sessions')}",
            "short",
            steps((100, YELLOW), (1000, RED)),
            decimals=0,
        ),
        answer(
            "Publishes",
            "Publishes that Kafka's client takes, a second.",
            rate("fleetwire_frontend_publishes_total"),
            "ops",
            steps((0.001, GREEN), base=RED),
        ),
        answer(
            "PUBACK (99 %)",
            "From the reception of a publish to its PUBACK: 99 of 100 are faster.",
            quantile("0.99", PUBACK),
            "s",
            steps((0.5, YELLOW), (1, RED)),
        ),
        answer(
            "PUBACK within 1 s",
            "Over the time shown. The objective is 99.9 %.",
            within(PUBACK, 1, "fleetwire_frontend_delivery_failures_total"),
            "percentunit",
            steps((0.999, GREEN), base=RED),
            decimals=3,
        ),
        answer(
            "Wait for Kafka",
            "Publishes that were read and have no outcome yet.",
            total("fleetwire_frontend_publishes_in_flight"),
            "short",
            steps((10000, YELLOW), (50000, RED)),
            decimals=0,
        ),
        answer(
            "Canary works",
            "Share of the frontends' own CONNECTs and PUBLISHes that work. Below 100 %: devices have trouble too, whatever the open port says.",
            f"""{rate("fleetwire_frontend_canary_total", 'outcome="acknowledged"')} / {rate("fleetwire_frontend_canary_total")}""",
            "percentunit",
            steps((0.99, GREEN), base=RED),
        ),
        answer(
            "Certificate ends in",
            "The soonest end of a served certificate. No data where TLS ends at a load balancer.",
            f"min(({series('fleetwire_frontend_certificate_not_after_seconds')} > 0) - time())",
            "s",
            steps((2 * 86400, YELLOW), (14 * 86400, GREEN), base=RED),
            no_value="no TLS",
        ),
    ]


def _latency():
    return [
        row("PUBACK"),
        graph(
            "Time to PUBACK",
            "Nearly all of it is Kafka's: compare with the delivery time in Kafka and capacity. Much more than that: the frontend's CPU.",
            quantiles(PUBACK),
            "s",
            steps((1, RED)),
        ),
        graph(
            "Time to PUBACK by frontend (99 %)",
            "One line above the others: that frontend, or its way to Kafka.",
            [(quantile("0.99", PUBACK, by=BY_PROCESS), PROCESS)],
            "s",
            steps((1, RED)),
        ),
        graph(
            "Not stored",
            "Publishes that Kafka, or its client, did not take, by code. Each is sent again by its device (QoS 0 apart).",
            [(rate("fleetwire_frontend_delivery_failures_total", by="code"), "{{code}}")],
            "ops",
            steps((0.01, RED)),
        ),
        graph(
            "Publishes by account and outcome",
            "stored is what should be there.",
            [
                (
                    rate("fleetwire_frontend_account_publishes_total", by="account, qos, outcome"),
                    "{{account}} QoS {{qos}} {{outcome}}",
                )
            ],
            "ops",
        ),
        graph(
            "Wait for Kafka, by frontend",
            "Publishes without an outcome. At the bound of [kafka.producer] sockets are not read any more.",
            [(total("fleetwire_frontend_publishes_in_flight", by=BY_PROCESS), PROCESS)],
            "short",
            steps((100000, RED)),
        ),
        graph(
            "Devices held back",
            "ingest full: the producer is full. throttled: a device or an address publishes faster than it may. Nothing is lost.",
            [
                (rate("fleetwire_frontend_ingest_full_total"), "ingest full"),
                (rate("fleetwire_frontend_throttled_total"), "throttled"),
            ],
            "ops",
            steps((1, YELLOW)),
        ),
    ]


def _connects():
    return [
        row("Connections"),
        graph(
            "Connects by result",
            "accepted beside what was refused. docs/metrics.md says what each result means.",
            [(rate("fleetwire_frontend_connects_total", by="result"), "{{result}}")],
            "cps",
            stack=True,
        ),
        graph(
            "Ends of sessions by reason",
            "peer_gone and keep_alive are normal for mobile devices. not_stored is Kafka; taken_over, two devices with one id.",
            [(rate("fleetwire_frontend_disconnects_total", by="reason"), "{{reason}}")],
            "cps",
            stack=True,
        ),
        graph(
            "Over a limit",
            "Connections turned away, by the limit. connections: more frontends. address_*: somebody floods, or a carrier's address needs a higher limit.",
            [(rate("fleetwire_frontend_turned_away_total", by="reason"), "{{reason}}")],
            "cps",
            steps((0.1, RED)),
        ),
        graph(
            "Connections a second, by frontend",
            "Steep and everywhere: a reconnect storm. Only one: the load balancer.",
            [(rate("fleetwire_frontend_accepted_total", by=BY_PROCESS), PROCESS)],
            "cps",
        ),
        graph(
            "Handshake",
            "From accept to CONNACK, with TLS. Grows with too little CPU, and with slow mobile networks.",
            quantiles("fleetwire_frontend_handshake_seconds"),
            "s",
            steps((5, RED)),
        ),
        graph(
            "Logins by password",
            "Which of an account's passwords is used: while a password is changed the old one has to come down to zero.",
            [(rate("fleetwire_frontend_logins_total", by="account, password"), "{{account}} {{password}}")],
            "cps",
        ),
        graph(
            "Failed logins held back",
            "CONNECTs refused before their password was looked at, because too many had failed.",
            [(rate("fleetwire_frontend_logins_throttled_total", by="by"), "by {{by}}")],
            "cps",
            steps((1, YELLOW)),
        ),
        graph(
            "Sessions closed by us",
            "Because their device changed in the registry, or connected elsewhere.",
            [
                (rate("fleetwire_frontend_sessions_revoked_total", by="reason"), "{{reason}}"),
                (rate("fleetwire_frontend_presence_takeovers_total"), "newer session elsewhere"),
            ],
            "cps",
        ),
        graph(
            "Canary",
            "The frontends' own CONNECT and PUBLISH, by outcome, a second.",
            [(rate("fleetwire_frontend_canary_total", by="outcome"), "{{outcome}}")],
            "ops",
        ),
    ]


def _held():
    return [
        row("Devices that nobody activated"),
        graph(
            "Sessions and publishes",
            "What is held until somebody activates the device.",
            [
                (total("fleetwire_frontend_unactivated_sessions"), "sessions"),
                (rate("fleetwire_frontend_publishes_total", 'topic="held"'), "held publishes a second"),
            ],
            "short",
        ),
        graph(
            "Beyond the limits",
            "Strangers that were refused, by limit. address_*: a depot that is larger than the limit, or somebody with the shared password.",
            [(rate("fleetwire_frontend_unactivated_refused_total", by="limit"), "{{limit}}")],
            "ops",
            steps((0.1, YELLOW)),
        ),
        graph(
            "Where devices are",
            "Session changes that are not in Kafka yet, and such that Kafka did not take. Commands go to the last known place.",
            [
                (total("fleetwire_frontend_presence_waiting"), "waiting"),
                (rate("fleetwire_frontend_presence_failures_total", by="code"), "failed: {{code}}"),
            ],
            "short",
            steps((1000, YELLOW)),
        ),
    ]


def _load():
    return [
        row("Load"),
        graph(
            "CPU by frontend",
            "Cores used. Compare with its limit: near it, handshakes and PUBACKs wait.",
            [
                (
                    f"sum by ({BY_PROCESS}) (rate({series('process_cpu_seconds_total')}[$__rate_interval]) and on (job, instance) fleetwire_frontend_sessions)",
                    PROCESS,
                )
            ],
            "short",
        ),
        graph(
            "Memory of a session",
            "Resident memory of a frontend by its sessions. Meaningless with few of them.",
            [
                (
                    f"{total('process_resident_memory_bytes', by=BY_PROCESS)} / ({total('fleetwire_frontend_sessions', by=BY_PROCESS)} > 0)",
                    PROCESS,
                )
            ],
            "bytes",
        ),
        graph(
            "Payload bytes",
            "Bytes handed to Kafka's client.",
            [(rate("fleetwire_frontend_publish_bytes_total"), "payload")],
            "Bps",
        ),
    ]


def dashboard():
    """The dashboard of the frontends."""
    panels = [*_answers(), *_latency(), *_connects(), *_held(), *_load()]
    return board(
        "frontend", "Frontend", "Who connects, who is refused, and how long a publish waits for its PUBACK.", panels
    )
