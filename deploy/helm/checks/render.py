"""Renders the chart with helm, and finds things in what comes out."""

import json
import os
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/fleetwire"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TIMEOUT = 60


def helm(*arguments):
    """Runs helm; its exit code, output, and what it says beside the note that the chart has links."""
    done = subprocess.run(
        [os.environ["HELM"], *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    notes = [line for line in done.stderr.splitlines() if "found symbolic link" not in line]
    return done.returncode, done.stdout, "\n".join(notes)


def template(values, *settings, kubernetes="1.33.0"):
    """What a values file renders: a list of resources. Fails where helm does."""
    code, out, err = helm(
        "template", "fw", CHART, "--namespace", "tracking", "--kube-version", kubernetes, "-f", values, *settings
    )
    if code != 0:
        raise AssertionError(err)
    return [document for document in yaml.load_all(out, LOADER) if document]


def refusal(values, *settings):
    """Why helm refuses values; nothing if it takes them."""
    code, _, err = helm("template", "fw", CHART, "-f", values, *settings)
    return err if code != 0 else None


def settings(changes):
    """`--set-json` for changes by their path."""
    return [word for path, value in changes.items() for word in ("--set-json", f"{path}={json.dumps(value)}")]


class Rendered:
    """The resources of one values file."""

    def __init__(self, name, documents):
        self.name, self.documents = name, documents

    def of(self, kind, end=None):
        """Resources of a kind, whose name ends so."""
        return [
            document
            for document in self.documents
            if document["kind"] == kind and (end is None or document["metadata"]["name"].endswith(end))
        ]

    def one(self, kind, end=None):
        found = self.of(kind, end)
        assert len(found) == 1, f"{self.name}: {len(found)} of {kind} {end}"
        return found[0]

    def pods(self):
        """Pods by where they are made: owner, metadata, spec."""
        for document in self.documents:
            if document["kind"] == "Pod":
                yield document, document["metadata"], document["spec"]
            elif document["kind"] in ("Deployment", "StatefulSet", "Job"):
                template = document["spec"]["template"]
                yield document, template["metadata"], template["spec"]

    def workloads(self):
        """The services: owner, metadata, spec."""
        return [pod for pod in self.pods() if pod[0]["kind"] in ("Deployment", "StatefulSet")]

    def toml(self):
        """Rendered configuration: service, files of its ConfigMap."""
        for document in self.of("ConfigMap"):
            for name in document["data"]:
                if name.endswith(".toml") and document["metadata"]["name"].endswith(f"-{name.removesuffix('.toml')}"):
                    yield name.removesuffix(".toml"), document["data"]


def container(spec):
    return spec["containers"][0]


def variables(spec):
    """Environment of a pod's first container."""
    return {entry["name"]: entry.get("value") for entry in container(spec).get("env", [])}


def selects(selector, labels):
    """Whether a label selector fits labels."""
    for expression in selector.get("matchExpressions", []):
        if expression["operator"] != "In" or labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
