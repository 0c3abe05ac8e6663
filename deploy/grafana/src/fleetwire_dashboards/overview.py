"""Is data flowing, how late, from how many devices, and what is refused?"""

from .parts import (
    BY_PROCESS,
    GREEN,
    PROCESS,
    RED,
    SELECTED,
    YELLOW,
    answer,
    board,
    graph,
    highest,
    listing,
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
END_TO_END = "fleetwire_decoder_end_to_end_seconds"
FAILURES = "fleetwire_frontend_delivery_failures_total"


def _answers():
    flowing = steps((0.001, GREEN), base=RED)
    return [
        answer(
            "Publishes",
            "What devices publish and Kafka's client takes. 0 while devices are connected: nobody sends, or frontends do not read because Kafka is away.",
            rate("fleetwire_frontend_publishes_total"),
            "ops",
            flowing,
            to="fleetwire-frontend",
        ),
        answer(
            "Positions",
            "Positions that the decoders make. One publish can hold several. 0 while publishes come: no decoder works.",
            rate("fleetwire_decoder_events_total", 'kind="position"'),
            "ops",
            flowing,
            to="fleetwire-decoder",
        ),
        answer(
            "How late (99 %)",
            "From the reception of a publish to its positions in Kafka: 99 of 100 are faster. The objective is 10 s for 99.9 %.",
            quantile("0.99", END_TO_END),
            "s",
            steps((5, YELLOW), (10, RED)),
            to="fleetwire-decoder",
        ),
        answer(
            "PUBACK (99 %)",
            "From the reception of a publish to its PUBACK: 99 of 100 are faster. The objective is 1 s for 99.9 %.",
            quantile("0.99", PUBACK),
            "s",
            steps((0.5, YELLOW), (1, RED)),
            to="fleetwire-frontend",
        ),
        answer(
            "Connected",
            "Sessions on all frontends. Compare with yesterday: a sudden fall is an outage of a network, a load balancer or a frontend.",
            total("fleetwire_frontend_sessions"),
            "short",
            steps((1, GREEN), base=RED),
            to="fleetwire-frontend",
            decimals=0,
        ),
        answer(
            "Oldest that waits",
            "Age of the oldest record that any consumer has not worked yet.",
            highest("fleetwire_kafka_lag_seconds"),
            "s",
            steps((10, YELLOW), (60, RED)),
            to="fleetwire-kafka",
        ),
        answer(
            "Refused logins",
            "Share of logins that are refused. A few devices with a wrong password are always there.",
            f"""{rate("fleetwire_frontend_connects_total", 'result=~"bad_credentials|throttled|not_authorized|bad_client_id"')} / {rate("fleetwire_frontend_connects_total", 'result=~"accepted|bad_credentials|throttled|not_authorized|bad_client_id"')}""",
            "percentunit",
            steps((0.05, YELLOW), (0.2, RED)),
            to="fleetwire-frontend",
            no_value="0",
        ),
        answer(
            "Dead letters",
            "Share of payloads, or parts of them, that make no sense and go to the dead letters.",
            f"{rate('fleetwire_decoder_dead_letters_total')} / {rate('fleetwire_decoder_payloads_total')}",
            "percentunit",
            steps((0.01, YELLOW), (0.25, RED)),
            to="fleetwire-decoder",
        ),
    ]


def _objectives():
    kept = steps((0.999, GREEN), base=RED)
    return [
        row("Objectives, over the time shown"),
        answer(
            "PUBACK within 1 s",
            "Share of QoS 1 and 2 publishes with their PUBACK within a second; those that Kafka did not take count as missed. Red: below 99.9 %.",
            within(PUBACK, 1, FAILURES),
            "percentunit",
            kept,
            to="fleetwire-frontend",
            width=6,
            decimals=3,
        ),
        answer(
            "Position within 10 s",
            "Share of publishes that were positions in Kafka within ten seconds. Red: below 99.9 %.",
            within(END_TO_END, 10),
            "percentunit",
            kept,
            to="fleetwire-decoder",
            width=6,
            decimals=3,
        ),
        listing(
            "Alerts that fire",
            "Those of deploy/prometheus. Each has a section in docs/runbooks.",
            f'sum by (alertname, severity) (ALERTS{{alertname=~"Fleetwire.+",alertstate="firing",{SELECTED}}})',
            "short",
            steps((1, RED)),
            width=12,
        ),
    ]


def _flow():
    return [
        row("Flow"),
        graph(
            "In and out",
            "Publishes, payloads decoded, and positions, a second. The first two run together; a gap between them waits in Kafka.",
            [
                (rate("fleetwire_frontend_publishes_total"), "publishes"),
                (rate("fleetwire_decoder_completed_total"), "decoded"),
                (rate("fleetwire_decoder_events_total", 'kind="position"'), "positions"),
            ],
            "ops",
        ),
        graph(
            "From reception to position",
            "Half, 95 and 99 of 100 publishes are faster. After an outage what had waited shows here.",
            quantiles(END_TO_END),
            "s",
            steps((10, RED)),
        ),
        graph(
            "Sessions by frontend",
            "One frontend far below the others: the load balancer, or a restart a moment ago.",
            [(total("fleetwire_frontend_sessions", by=BY_PROCESS), PROCESS)],
            "short",
            stack=True,
        ),
    ]


def _refused():
    return [
        row("Refused"),
        graph(
            "Connections refused",
            "CONNECTs that were not let in, by result, and connections over a limit.",
            [
                (rate("fleetwire_frontend_connects_total", 'result!="accepted"', "result"), "{{result}}"),
                (rate("fleetwire_frontend_turned_away_total", by="reason"), "over {{reason}}"),
            ],
            "cps",
            stack=True,
        ),
        graph(
            "Publishes refused",
            "Not allowed: the topic is wrong, the data is lost to us. Not stored: Kafka did not take it, the device sends it again.",
            [
                (rate("fleetwire_frontend_publishes_refused_total"), "not allowed"),
                (rate(FAILURES, by="code"), "not stored: {{code}}"),
            ],
            "ops",
            steps((0.1, RED)),
        ),
        graph(
            "Dead letters by reason",
            "Payloads that make no sense, with their bytes in the dead letters: fleetwire dead-letters list.",
            [(rate("fleetwire_decoder_dead_letters_total", by="code"), "{{code}}")],
            "ops",
            stack=True,
        ),
    ]


def _processes():
    return [
        row("Processes"),
        listing(
            "What runs",
            "One row a process: the build that it runs. Two versions for longer than a rollout are worth a question.",
            f"max by (region, namespace, job, pod, instance, version, commit) ({series('fleetwire_build_info')})",
            "short",
            steps(),
            hidden=("Time", "Value"),
        ),
        listing(
            "Not ready",
            "Conditions of /readyz that are not met, by process. operations.md, Health, says what each means.",
            f"max by (job, pod, instance, condition) ({series('fleetwire_health_condition')} == 0)",
            "short",
            steps((0, RED)),
            hidden=("Time", "Value"),
        ),
        graph(
            "Devices that nobody activated",
            "What they send is held until somebody activates them: fleetwire device held.",
            [
                (total("fleetwire_held_knocking_devices"), "known"),
                (total("fleetwire_held_releasing_devices"), "being released"),
            ],
            "short",
            steps((1000, YELLOW)),
            width=6,
        ),
        graph(
            "Missing data",
            "Gaps in what devices sent, of the gap ledger. Opened far above closed after an outage: data is lost.",
            [(rate("fleetwire_gaps_changes_total", by="change"), "{{change}}")],
            "ops",
            width=6,
        ),
        graph(
            "Registry",
            "Devices that each process knows. Lines that differ for more than a moment: one does not follow.",
            [(highest("fleetwire_registry_devices", by=BY_PROCESS), PROCESS)],
            "short",
            width=6,
        ),
        graph(
            "Errors and warnings logged",
            "Lines a second. error: somebody has to act, and the line says on what.",
            [(rate("fleetwire_logs_total", 'level=~"error|warn"', "job, level"), "{{job}} {{level}}")],
            "ops",
            steps((0.1, RED)),
            width=6,
        ),
    ]


def dashboard():
    """The dashboard to begin with."""
    panels = [row("Answers"), *_answers(), *_objectives(), *_flow(), *_refused(), *_processes()]
    return board(
        "overview",
        "Overview",
        "Is data flowing, how late, from how many devices, and what is refused? Causes are in the other dashboards.",
        panels,
    )
