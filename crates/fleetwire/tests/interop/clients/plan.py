"""What the drivers of Python clients share: the plan, and the report of one JSON line for each scenario.

A driver plays every scenario of the plan at the same time. The last thing in a scenario is a connection with a
will, which stays open: the test kills the driver then, as a device dies that loses its power.
"""

import json
import ssl
import sys
import threading
from dataclasses import dataclass
from typing import Optional

# How long any single step may take, in seconds.
PATIENCE = 30
REPORTING = threading.Lock()
# How long a driver waits to be killed, in seconds.
STAND = 180


@dataclass(frozen=True)
class Scenario:
    """One client on one transport in one version of MQTT."""

    id: str
    client_id: str
    user: str
    password: str
    host: str
    port: int
    transport: str
    path: str
    ca: str
    version: str
    certificate: Optional[str] = None
    key: Optional[str] = None

    @property
    def is_v5(self):
        return self.version == "5"

    @property
    def paho_transport(self):
        return "websockets" if self.transport in ("ws", "wss") else "tcp"

    @property
    def tls(self):
        """The TLS context, or None where there is no TLS."""
        if self.transport not in ("tls", "wss"):
            return None
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context

    def payload(self, what):
        return f"{self.id} {what}"


def read():
    """The scenarios of the plan that the first argument names."""
    with open(sys.argv[1], encoding="utf-8") as plan:
        return [Scenario(**scenario) for scenario in json.load(plan)]


def report(scenario, **what):
    """One line: what the client saw, or why it failed."""
    # `print` writes a line and its end one after the other, and another thread's may come in between.
    with REPORTING:
        print(json.dumps({"id": scenario.id, **what}), flush=True)


def properties(paho_properties):
    """Properties as paho gives them, as a plain dictionary."""
    return {} if paho_properties is None else {k: v for k, v in paho_properties.json().items()}
