"""Compares what is rendered with the schemas of those who take it: Kubernetes' API and custom resources."""

import json
import pathlib
import subprocess

import jsonschema
import kubernetes_validate

# Custom resources whose types @kubernetes-models has: API version to package.
MODELS = {
    "keda.sh/v1alpha1": "keda",
    "monitoring.coreos.com/v1": "prometheus-operator",
    "cert-manager.io/v1": "cert-manager",
}
# Asks each model about its resource, patterns of texts included.
VALIDATE = """
import { readFileSync } from "node:fs";
for (const [path, kind, name, value] of JSON.parse(readFileSync("rendered.json"))) {
  try {
    new (await import(path))[kind](value).validate();
  } catch (error) {
    console.log(name, error.message);
    process.exitCode = 1;
  }
}
"""
OLDEST, NEWEST = "1.30", "1.37"


def _object(required=(), **properties):
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


TEXT = {"type": "string", "minLength": 1}
RESOURCE = _object(
    ("type", "name", "patternType"),
    type={"enum": ["topic", "group", "transactionalId", "cluster"]},
    name=TEXT,
    patternType={"enum": ["literal", "prefix"]},
)
OPERATIONS = ["Read", "Write", "Delete", "Alter", "Describe", "All", "IdempotentWrite", "ClusterAction", "Create"]
OPERATIONS += ["AlterConfigs", "DescribeConfigs"]
# Those parts of Strimzi's resources that the chart uses, written from Strimzi's documentation: no registry has them.
STRIMZI = {
    "KafkaTopic": _object(
        ("topicName", "partitions", "replicas"),
        topicName=TEXT,
        partitions={"type": "integer", "minimum": 1},
        replicas={"type": "integer", "minimum": 1, "maximum": 32767},
        config={"type": "object"},
    ),
    "KafkaUser": _object(
        ("authentication",),
        authentication=_object(("type",), type={"enum": ["tls", "tls-external", "scram-sha-512"]}),
        authorization=_object(
            ("type", "acls"),
            type={"const": "simple"},
            acls={
                "type": "array",
                "items": _object(
                    ("resource", "operations"),
                    resource=RESOURCE,
                    operations={"type": "array", "minItems": 1, "items": {"enum": OPERATIONS}},
                ),
            },
        ),
    ),
}


def kubernetes(rendered):
    """What is of Kubernetes itself fits the schemas of the oldest version that the chart takes, and of the newest."""
    seen = 0
    for document in rendered.documents:
        version = document["apiVersion"]
        if version in MODELS or version.startswith("kafka.strimzi.io/"):
            continue
        seen += 1
        for release in (OLDEST, NEWEST):
            try:
                kubernetes_validate.validate(document, release, strict=True)
            except kubernetes_validate.ValidationError as error:
                name = f"{document['kind']} {document['metadata']['name']}"
                raise AssertionError(f"{rendered.name}: {name}: {error.message}") from error
    assert seen


def strimzi(rendered):
    """Strimzi's resources have the fields that they must have, and no others."""
    for document in rendered.documents:
        if document["apiVersion"].startswith("kafka.strimzi.io/"):
            assert document["metadata"]["labels"]["strimzi.io/cluster"]
            try:
                jsonschema.validate(document["spec"], STRIMZI[document["kind"]])
            except jsonschema.ValidationError as error:
                raise AssertionError(f"{document['metadata']['name']}: {error.message}") from error


def custom(all_rendered, modules):
    """Custom resources fit their types, unknown fields are refused (by TypeScript), and values fit the patterns."""
    lines, count = [], 0
    runtime = []
    for rendered in all_rendered:
        for document in rendered.documents:
            package = MODELS.get(document["apiVersion"])
            if package is None:
                continue
            path = f"@kubernetes-models/{package}/{document['apiVersion']}/{document['kind']}"
            kind, count = document["kind"], count + 1
            lines.append(f'import {{ I{kind} as T{count} }} from "{path}";')
            lines.append(f"export const v{count}: T{count} = {json.dumps(document)};")
            runtime.append([path, kind, f"{rendered.name}: {document['metadata']['name']}", document])
    assert count, "no custom resources were rendered"
    folder = pathlib.Path(modules)
    (folder / "rendered.ts").write_text("\n".join(lines))
    flags = "--noEmit --skipLibCheck --strict --module nodenext --target es2022".split()
    compiler = folder / "node_modules/typescript/bin/tsc"
    run(["node", compiler, *flags, "rendered.ts"], folder)
    (folder / "rendered.json").write_text(json.dumps(runtime))
    (folder / "rendered.mjs").write_text(VALIDATE)
    run(["node", "rendered.mjs"], folder)
    return count


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise AssertionError((done.stdout + done.stderr)[:4000])
