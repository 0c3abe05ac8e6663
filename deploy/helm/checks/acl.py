"""The ACLs of the chart's KafkaUsers, tried on an Apache Kafka that refuses everything else.

It starts a broker with an authorizer and a user for each service, gives the users what the chart renders for Strimzi, and
does the round trip, with `exactly_once`, an activation and a command by the API. The broker must have denied nothing.

Usage: acl.py FLEETWIRE LIB, the binary and the folder with Apache Kafka's jars.
"""

import collections
import concurrent.futures
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from render import CHART, Rendered, settings, template
from roundtrip import SECRET, SERVICES, Machine, free_port, install, test, topics, uninstall

LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
USERS = (*SERVICES, "tools")
FLAGS = {"topic": "--topic", "group": "--group", "transactionalId": "--transactional-id"}
DEVICE = "867035040000000"


def broker_properties(port, controller, folder):
    users = " ".join(f'user_{user}="{SECRET}"' for user in ("admin", *USERS))
    return f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=SASL_PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
security.inter.broker.protocol=SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={LOGIN} username="admin" password="{SECRET}" {users};
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
"""


LOGS = """
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%m%n
rootLogger.level=WARN
rootLogger.appenderRef.c.ref=C
logger.a.name=kafka.authorizer.logger
logger.a.level=INFO
logger.s.name=kafka.server.KafkaRaftServer
logger.s.level=INFO
"""


class Broker:
    """An Apache Kafka that denies by default."""

    def __init__(self, lib, folder, stack):
        self.folder, self.port = folder, free_port()
        (folder / "log4j2.properties").write_text(LOGS)
        (folder / "server.properties").write_text(broker_properties(self.port, free_port(), folder))
        client = f'security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={LOGIN} username="admin"'
        (folder / "admin.properties").write_text(f'{client} password="{SECRET}";\n')
        flags = "-Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC".split()
        self.java = ["java", *flags, f"-Dlog4j2.configurationFile={folder}/log4j2.properties", "-cp", f"{lib}/*"]
        server = folder / "server.properties"
        self.run("kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", server)
        log = (folder / "broker.log").open("w")
        self.process = subprocess.Popen([*self.java, "kafka.Kafka", server], stdout=log, stderr=log)
        stack.callback(Machine.stop, self.process)
        deadline = time.monotonic() + 60
        while "Kafka Server started" not in self.log():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"Kafka does not start:\n{self.log()[-4000:]}")
            time.sleep(0.2)

    def run(self, *words):
        subprocess.run([*self.java, *words], check=True, stdout=subprocess.DEVNULL, timeout=120)

    def log(self):
        return (self.folder / "broker.log").read_text()

    def allow(self, users):
        """Gives users their ACLs, equal ones in one call."""
        calls = collections.defaultdict(set)
        for user in users:
            name = user["metadata"]["name"].removeprefix("fw-fleetwire-")
            for acl in user["spec"]["authorization"]["acls"]:
                resource = acl["resource"]
                pattern = {"prefix": "prefixed"}.get(resource["patternType"], resource["patternType"])
                calls[name, tuple(acl["operations"]), resource["type"], pattern].add(resource["name"])

        def add(call):
            (name, operations, kind, pattern), resources = call
            self.run(
                *("org.apache.kafka.tools.AclCommand", "--bootstrap-server", f"127.0.0.1:{self.port}"),
                *("--command-config", self.folder / "admin.properties", "--add", "--allow-principal", f"User:{name}"),
                *("--resource-pattern-type", pattern),
                *(word for operation in operations for word in ("--operation", operation)),
                *(word for resource in resources for word in (FLAGS[kind], resource)),
            )

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(add, calls.items()))

    def denials(self):
        pattern = r"Principal = (\S+) is Denied operation = (\S+) .*on resource = (\S+) for request = (\S+)"
        return collections.Counter(re.findall(pattern, self.log()))


class Users(Machine):
    """Every process with the user of its service."""

    def start(self, one, name, arguments=()):
        user = name if name in SERVICES else "tools"
        one["args"] = [word.replace("sasl.username=USER", f"sasl.username={user}") for word in one["args"]]
        for word in one["args"]:
            if word.startswith("--config="):
                file = pathlib.Path(word.removeprefix("--config="))
                file.write_text(file.read_text().replace('"USER"', f'"{user}"'))
        return super().start(one, name, arguments)


def by_api(machine, *words):
    """A command of the binary to the API; its output."""
    api = {"FLEETWIRE_API": f"http://127.0.0.1:{machine.ports['http']}", "FLEETWIRE_API_TOKEN": SECRET}
    done = subprocess.run(
        [machine.binary, *words], env=os.environ | api, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def main():
    binary, lib = sys.argv[1:3]
    exactly_once = {"decoder.config": {"decoder": {"exactly_once": True}}}
    users = Rendered("users", template(CHART / "ci/operators-values.yaml", *settings(exactly_once))).of("KafkaUser")
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = Broker(lib, folder, stack)
        broker.allow(users)
        changes = exactly_once | {
            "config.kafka.brokers": f"127.0.0.1:{broker.port}",
            "config.kafka.topics": {"replication_factor": 1, "partitions": dict.fromkeys(topics(), 2)},
            "config.kafka.properties": {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanism": "PLAIN",
                "sasl.username": "USER",
            },
            "secrets.kafka.saslPassword": {"name": "kafka", "key": "password"},
            "gaps.enabled": True,
            "api.config.api.tokens.ops.scopes": ["read", "devices", "commands"],
            "tests.timeout": "15s",
        }
        rendered = Rendered("acl", template(CHART / "ci/minimal-values.yaml", *settings(changes)))
        machine = Users(binary, rendered, folder, stack)
        running = install(machine)
        test(machine)
        by_api(machine, "device", "add", "352099001761481")
        by_api(machine, "command", "output", DEVICE, "1", "on", "--for", "2s")
        by_api(machine, "command", "list", "--device", DEVICE)
        by_api(machine, "device", "disable", "352099001761481")
        uninstall(machine, running)
        denied = broker.denials()
    for (user, operation, resource, request), count in denied.most_common():
        print(f"denied {count} times: {user} {operation} {resource} for {request}", file=sys.stderr)
    if denied:
        sys.exit(1)
    print(f"chart: {len(users)} Kafka users with their ACLs only: all services, the test and a command; nothing denied")


if __name__ == "__main__":
    main()
