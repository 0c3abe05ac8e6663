"""`helm install` and `helm test` with processes in place of pods, on the Kafka of FLEETWIRE_TEST_KAFKA.

Every process has the configuration, the arguments and the environment that the chart renders; paths, ports and the names
of services are those of this machine. The topics job runs first, the services must get ready by the probe of their
pods, and both containers of the test pod must end with 0: a device connected and published, and its position came out.

Usage: roundtrip.py FLEETWIRE
"""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from render import CHART, ROOT, Rendered, container, settings, template

SECRET = "only-for-this-check"
LIMIT = 90
SERVICES = ("frontend", "decoder", "command-gateway", "api", "gaps")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(one, folder):
    """A container's environment, with its secrets in a folder of this machine."""
    made = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    for entry in one.get("env", []):
        value = entry["value"]
        if value.startswith("/run/secrets/fleetwire/"):
            file = folder / value.rsplit("/", 1)[-1]
            # Written once: another process may be reading it.
            if not file.exists():
                file.write_text(SECRET + "\n")
            value = str(file)
        made[entry["name"]] = value
    return made


class Machine:
    """What stands in for the cluster."""

    def __init__(self, binary, rendered, folder, stack):
        self.binary, self.rendered, self.folder, self.stack = binary, rendered, folder, stack
        names = [*SERVICES, "mqtt", "downlink", "http"]
        self.ports = {name: free_port() for name in names}

    def start(self, one, name, arguments=()):
        """Starts a container; its arguments may be followed by others."""
        log = (self.folder / f"{name}.log").open("w")
        command = [self.binary, *one["args"], *arguments]
        process = subprocess.Popen(command, env=environment(one, self.folder), stdout=log, stderr=log)
        self.stack.callback(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def finish(self, process, name, expected=(0,)):
        """Waits for a process and for the code that it must end with."""
        try:
            code = process.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            code = "no code in time"
        if code not in expected:
            sys.exit(f"{name} ended with {code}:\n{(self.folder / f'{name}.log').read_text()[-4000:]}")

    def service(self, name):
        """Starts a service as its pod would, and returns the address of its probes."""
        (contents,) = [files for service, files in self.rendered.toml() if service == name]
        text = contents[f"{name}.toml"]
        for pod, here in {9464: name, 1883: "mqtt", 9465: "downlink", 8080: "http"}.items():
            text = text.replace(f'"0.0.0.0:{pod}"', f'"127.0.0.1:{self.ports[here]}"')
        # Pods have a name of their own; these processes share the machine's.
        text = text.replace("[process]\n", f'[process]\nreplica = "{name}-0"\n')
        file = self.folder / f"{name}.toml"
        file.write_text(text)
        (spec,) = [
            spec
            for _, metadata, spec in self.rendered.workloads()
            if metadata["labels"]["app.kubernetes.io/component"] == name
        ]
        one = container(spec)
        one["args"] = [one["args"][0], f"--config={file}"]
        process = self.start(one, name)
        return process, f"http://127.0.0.1:{self.ports[name]}{one['readinessProbe']['httpGet']['path']}"

    def wait_ready(self, name, process, url):
        deadline = time.monotonic() + LIMIT
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                if urllib.request.urlopen(url, timeout=5).status == 200:
                    return
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{name} does not get ready:\n{(self.folder / f'{name}.log').read_text()[-4000:]}")
            time.sleep(0.1)


def topics():
    """The topics, without their prefix."""
    return re.findall(r'Self::\w+ => "([a-z.-]+\.v1)"', (ROOT / "crates/model/src/topic.rs").read_text())


def install(machine):
    """The topics job, then all services until they are ready."""
    job = container(machine.rendered.one("Job")["spec"]["template"]["spec"])
    machine.finish(machine.start(job, "topics"), "topics")
    running = {name: machine.service(name) for name in SERVICES}
    for name, (process, url) in running.items():
        machine.wait_ready(name, process, url)
    return {name: process for name, (process, _) in running.items()}


def test(machine):
    """Both containers of the test pod."""
    containers = {}
    for one in machine.rendered.one("Pod", "-test")["spec"]["containers"]:
        here = f"--mqtt=127.0.0.1:{machine.ports['mqtt']}"
        one["args"] = [here if word.startswith("--mqtt=") else word for word in one["args"]]
        containers[one["name"]] = machine.start(one, one["name"])
    for name, process in containers.items():
        machine.finish(process, name)
    seen = (machine.folder / "position.log").read_text()
    if '"device_id":"867035040000000"' not in seen.replace(" ", ""):
        sys.exit(f"the position that was seen is another one:\n{seen}")


def uninstall(machine, running):
    """Tells everything to stop; it must have finished its work."""
    for process in running.values():
        process.terminate()
    for name, process in running.items():
        machine.finish(process, name)


def main():
    binary, kafka = sys.argv[1], os.environ["FLEETWIRE_TEST_KAFKA"]
    # Few partitions: making them all is what takes long.
    changes = {
        "config.kafka.brokers": kafka,
        "config.kafka.topic_prefix": f"chart-{os.getpid()}",
        "config.kafka.topics": {"replication_factor": 1, "partitions": dict.fromkeys(topics(), 2)},
        "gaps.enabled": True,
        "tests.timeout": "15s",
    }
    rendered = Rendered("roundtrip", template(CHART / "ci/minimal-values.yaml", *settings(changes)))
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        machine = Machine(binary, rendered, folder, stack)
        running = install(machine)
        ready = time.monotonic() - began
        test(machine)
        uninstall(machine, running)
    print(
        f"chart: installed as {len(SERVICES)} processes on Apache Kafka, ready after {ready:.0f} s; the test pod saw "
        f"the position of its device; everything ended with 0 within its grace period"
    )


if __name__ == "__main__":
    main()
