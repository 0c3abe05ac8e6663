"""Do commands reach devices, how fast, and what becomes of them?"""

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

COMMANDS = 'topic=~".+[.]commands[.]v1"'
STEP = "fleetwire_gateway_step_seconds"


def _answers():
    return [
        row("Answers"),
        answer(
            "Commands",
            "Commands taken in, a second.",
            rate("fleetwire_gateway_commands_total", 'form="protobuf"'),
            "ops",
            steps(),
            decimals=2,
        ),
        answer(
            "Wait",
            "Commands without a terminal state: on their way, or their device is away.",
            total("fleetwire_gateway_pending_commands"),
            "short",
            steps((100, YELLOW), (1000, RED)),
            decimals=0,
        ),
        answer(
            "Oldest that waits",
            "How long ago the oldest command without a terminal state was issued. Commands to devices that are away wait until they expire.",
            highest("fleetwire_gateway_oldest_pending_seconds"),
            "s",
            steps((3600, YELLOW), (86400, RED)),
        ),
        answer(
            "To the device (99 %)",
            "From the call to a frontend to the device's PUBACK: 99 of 100 are faster.",
            quantile("0.99", "fleetwire_gateway_acknowledgement_seconds"),
            "s",
            steps((5, YELLOW), (15, RED)),
        ),
        answer(
            "Not delivered",
            "Share of attempts in which no frontend was reached, or that it refused.",
            f"""{rate("fleetwire_gateway_attempts_total", 'outcome=~"unreachable|unknown|refused"')} / {rate("fleetwire_gateway_attempts_total")}""",
            "percentunit",
            steps((0.01, YELLOW), (0.1, RED)),
            no_value="0",
        ),
        answer(
            "Failed or contradicted",
            "A second. A device may have done what nobody knows of.",
            rate("fleetwire_gateway_statuses_total", 'state=~"failed|contradicted"'),
            "ops",
            steps((0.001, YELLOW), (0.1, RED)),
            no_value="0",
        ),
        answer(
            "Devices in reach",
            "Connected devices that the gateways know of. Compare with the sessions of the frontends.",
            total("fleetwire_gateway_sessions"),
            "short",
            steps((1, GREEN), base=RED),
            decimals=0,
        ),
        answer(
            "Gateways",
            "Processes that bring commands to devices.",
            f"count({series('fleetwire_gateway_pending_commands')})",
            "short",
            steps((1, GREEN), base=RED),
            decimals=0,
        ),
    ]


def _fate():
    return [
        row("What becomes of them"),
        graph(
            "Statuses by state",
            "docs/commands.md says what each means.",
            [(rate("fleetwire_gateway_statuses_total", by="state"), "{{state}}")],
            "ops",
            stack=True,
        ),
        graph(
            "Codes of what did not work",
            "Why commands were rejected, failed or expired.",
            [
                (
                    rate(
                        "fleetwire_gateway_statuses_total",
                        'state=~"rejected|failed|expired|contradicted"',
                        "state, code",
                    ),
                    "{{state}} {{code}}",
                )
            ],
            "ops",
        ),
        graph(
            "Attempts by outcome",
            "unreachable: frontends, token or certificates. not_connected: the device is away. unacknowledged: it does not answer.",
            [(rate("fleetwire_gateway_attempts_total", by="outcome"), "{{outcome}}")],
            "ops",
            stack=True,
        ),
        graph(
            "Waiting commands, by gateway",
            "Grows and attempts stand still: this gateway hangs.",
            [(total("fleetwire_gateway_pending_commands", by=BY_PROCESS), PROCESS)],
            "short",
            steps((1000, RED)),
        ),
        graph(
            "What is no command",
            "Records in the dead letters, and commands in the wrong partition. A producer has a fault.",
            [
                (rate("fleetwire_gateway_dead_letters_total", by="code"), "{{code}}"),
                (rate("fleetwire_gateway_misplaced_commands_total"), "misplaced"),
            ],
            "ops",
            steps((0.001, RED)),
        ),
        graph(
            "Commands by the API",
            "What people and programs sent through it, and what Kafka did not take.",
            [
                (rate("fleetwire_api_commands_sent_total", by="action"), "{{action}}"),
                (rate("fleetwire_api_commands_failed_total", by="code"), "failed: {{code}}"),
            ],
            "ops",
        ),
    ]


def _time():
    return [
        row("Time"),
        graph(
            "From arrival to the call",
            "Of commands that had to wait for nothing. Kafka's transaction lies in between.",
            quantiles("fleetwire_gateway_handover_seconds"),
            "s",
            steps((1, YELLOW)),
        ),
        graph(
            "From the call to the PUBACK",
            "The device's network, mostly.",
            quantiles("fleetwire_gateway_acknowledgement_seconds"),
            "s",
            steps((15, YELLOW)),
        ),
        graph(
            "By step (95 %)",
            "From the call to the PUBACK, and from the PUBACK until telemetry shows it.",
            [(quantile("0.95", STEP, by="step"), "{{step}}")],
            "s",
        ),
        graph(
            "Late on commands",
            "Age of the oldest record of the commands' topic that no gateway has worked.",
            [(highest("fleetwire_kafka_lag_seconds", COMMANDS, "partition"), "partition {{partition}}")],
            "s",
            steps((10, YELLOW), (60, RED)),
        ),
        graph(
            "Transactions",
            "Statuses, state and offsets are written in one. Slow ones make every command slow.",
            quantiles("fleetwire_kafka_transaction_seconds"),
            "s",
            steps((1, YELLOW)),
        ),
        graph(
            "Calls at the frontends",
            "Calls of gateways by what became of them, and calls that wait for a device.",
            [
                (rate("fleetwire_frontend_downlinks_total", by="outcome"), "{{outcome}}"),
                (total("fleetwire_frontend_downlinks_in_flight"), "in flight"),
                (rate("fleetwire_downlink_calls_refused_total"), "wrong token"),
            ],
            "short",
        ),
    ]


def dashboard():
    """The dashboard of commands."""
    return board(
        "commands",
        "Commands",
        "Do commands reach devices, how fast, and what becomes of them?",
        [*_answers(), *_fate(), *_time()],
    )
