"""Makes values.schema.json of the chart: the shape of values.yaml, and for `config` the keys of deploy/config/*.toml.

What is no key of a service, and what the chart sets itself, is refused; types are those of the defaults.
"""

import json
import pathlib
import re
import tomllib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/fleetwire"
SHARED = {
    "frontend": ["process", "kafka", "telemetry", "public", "accounts", "models"],
    "decoder": ["process", "kafka", "telemetry", "models"],
    "command-gateway": ["process", "kafka", "telemetry", "models"],
    "api": ["process", "kafka", "telemetry", "public", "accounts", "models"],
    "gaps": ["process", "kafka", "telemetry"],
}
# Tables whose last name is free.
NAMED = [("accounts",), ("subscribers",), ("models",), ("api", "tokens"), ("gaps", "models"), ("gaps", "devices")]
# Maps with free keys, and what their values are.
TEXTS = {"type": "array", "items": {"type": "string"}}
SCALAR = {"type": ["string", "number", "boolean"]}
SECRET_PROPERTIES = ["sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret"]
MAPS = {
    ("kafka", "properties"): {
        "type": "object",
        "additionalProperties": SCALAR,
        "propertyNames": {"not": {"enum": SECRET_PROPERTIES}},
    },
    ("kafka", "topics", "partitions"): {
        "type": "object",
        "additionalProperties": {"type": "integer", "minimum": 1},
    },
    ("command_gateway", "raw_topics"): {"type": "object", "additionalProperties": TEXTS},
}
# What the chart sets, from values of its own.
OWN = [
    ("process", "admin"),
    ("process", "grace"),
    ("frontend", "listen"),
    ("frontend", "tls", "listen"),
    ("frontend", "tls", "certificate"),
    ("frontend", "tls", "key"),
    ("frontend", "tls", "client_ca"),
    ("frontend", "tls", "client_certificates"),
    ("frontend", "websocket", "listen"),
    ("frontend", "websocket", "tls_listen"),
    ("frontend", "proxy_protocol"),
    ("downlink", "enabled"),
    ("downlink", "listen"),
    ("downlink", "tls"),
    ("command_gateway", "downlink", "tls"),
    ("api", "listen"),
]
DURATION = r"^([0-9]+ ?[a-z]+ ?)+$"


def of_value(value):
    """The schema of a setting, by its default."""
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer", "minimum": 0}
    if isinstance(value, float):
        return {"type": "number", "minimum": 0}
    if isinstance(value, str):
        return {"type": "string", "pattern": DURATION} if re.fullmatch(DURATION, value) else {"type": "string"}
    if isinstance(value, list):
        return {"type": "array", "items": of_value(value[0]) if value else {"type": "string"}}
    fields = {key: of_value(inner) for key, inner in value.items()}
    return {"type": "object", "additionalProperties": False, "properties": fields}


def table(schema, path):
    """The schema of the table at a path, made where it is missing."""
    done = ()
    for name in path:
        if done in NAMED:
            schema = schema.setdefault("additionalProperties", {"type": "object", "properties": {}})
        else:
            schema = schema["properties"].setdefault(name, {"type": "object", "properties": {}})
        if schema.get("type") == "array":
            schema = schema["items"]
        done = (*done, name)
    return schema


def sample(service):
    """The schema of a service's file, from its sample."""
    schema = {"type": "object", "properties": {}}
    path = ()
    for line in (ROOT / f"deploy/config/{service}.toml").read_text().splitlines():
        line = line.removeprefix("#")
        if not line or line.startswith(" "):
            continue
        parsed = tomllib.loads(line)
        if line.startswith("["):
            path, inner = (), parsed
            while isinstance(inner, dict) and inner:
                name, inner = next(iter(inner.items()))
                path = (*path, name)
            if isinstance(inner, list):
                parent = table(schema, path[:-1])
                parent["properties"][path[-1]] = {"type": "array", "items": {"type": "object", "properties": {}}}
            else:
                table(schema, path)
        else:
            (key, value), = parsed.items()
            where = table(schema, path)
            where["properties"][key] = MAPS.get((*path, key)) or of_value(value)
            if (*path, key) == ("command_gateway", "guards", "labels"):
                where["properties"][key] = {"type": "object", "additionalProperties": {"type": "string"}}
    for where, replacement in MAPS.items():
        parent = schema["properties"].get(where[0], {}).get("properties", {})
        if len(where) == 2 and where[1] in parent:
            parent[where[1]] = replacement
    return schema


def close(schema):
    """Refuses what is not named."""
    if isinstance(schema, dict):
        if "properties" in schema:
            if not schema["properties"] and "additionalProperties" in schema:
                del schema["properties"]
            else:
                schema.setdefault("additionalProperties", False)
        for inner in list(schema.values()):
            close(inner)
    elif isinstance(schema, list):
        for inner in schema:
            close(inner)


def without(schema, path):
    """Takes a key out."""
    for name in path[:-1]:
        schema = schema.get("properties", {}).get(name, {})
    schema.get("properties", {}).pop(path[-1], None)


def services():
    """The schema of each service's `config`."""
    codecs = sample("decoder")["properties"]["decoder"]["properties"]
    made = {}
    for service in SHARED:
        schema = sample(service)
        for path in OWN:
            without(schema, path)
        models = schema["properties"].get("models", {}).get("additionalProperties")
        if models:
            models["properties"] |= {name: codecs[name] for name in ("iotm", "ngp", "dt7")}
        if service == "frontend":
            schema["properties"]["frontend"]["properties"]["allow_well_known_passwords"] = {"const": False}
        close(schema)
        made[service] = schema
    return made


OPEN = {"type": "object"}
OPEN_LIST = {"type": "array", "items": {"type": "object"}}
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
REFERENCE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "key"],
    "properties": {"name": {"type": "string", "minLength": 1}, "key": {"type": "string", "minLength": 1}},
}
OPTIONAL = {"anyOf": [{"type": "object", "maxProperties": 0}, REFERENCE]}
ISSUER = {
    "type": "object",
    "additionalProperties": False,
    "properties": {name: {"type": "string"} for name in ("name", "kind", "group")},
}
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
NAMES = {"type": "object", "propertyNames": {"pattern": "^[a-z0-9_]+$"}}


def one_of(*words):
    return {"enum": list(words)}


# Schemas by the end of a path; the longest that fits counts.
BY_PATH = {
    "imagePullSecrets": {"type": "array", "items": {"type": "string"}},
    "bindAddress": one_of("0.0.0.0", "[::]"),
    "image.tag": {"type": "string", "not": {"const": "latest"}, "pattern": "^[A-Za-z0-9_.-]*$"},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": one_of("Always", "IfNotPresent", "Never"),
    "commonLabels": STRINGS,
    "commonAnnotations": STRINGS,
    "annotations": STRINGS,
    "labels": STRINGS,
    "podAnnotations": STRINGS,
    "podLabels": STRINGS,
    "nodeSelector": STRINGS,
    "triggerMetadata": STRINGS,
    "configFiles": STRINGS,
    "podSecurityContext": OPEN,
    "securityContext": OPEN,
    "resources": OPEN,
    "affinity": OPEN,
    "lifecycle": OPEN,
    "startupProbe": OPEN,
    "livenessProbe": OPEN,
    "readinessProbe": OPEN,
    "behavior": OPEN,
    "updateStrategy": OPEN,
    "tolerations": OPEN_LIST,
    "topologySpreadConstraints": OPEN_LIST,
    "extraEnv": OPEN_LIST,
    "extraEnvFrom": OPEN_LIST,
    "extraVolumes": OPEN_LIST,
    "extraVolumeMounts": OPEN_LIST,
    "extraGroups": OPEN_LIST,
    "extraIngress": OPEN_LIST,
    "extraEgress": OPEN_LIST,
    "from": OPEN_LIST,
    "to": OPEN_LIST,
    "extraObjects": {"type": "array", "items": {"type": ["object", "string"]}},
    "proxyProtocol.from": TEXTS,
    "loadBalancerSourceRanges": TEXTS,
    "dnsNames": TEXTS,
    "issuerRef": ISSUER,
    "port": PORT,
    "servicePort": PORT,
    "healthCheckNodePort": {"type": "integer", "minimum": 0, "maximum": 65535},
    "kafka.ports": {"type": "array", "items": PORT},
    "clientCertificates": one_of("off", "optional", "required"),
    "externalTrafficPolicy": one_of("Local", "Cluster"),
    "frontend.service.type": one_of("LoadBalancer", "NodePort", "ClusterIP"),
    "api.service.type": one_of("ClusterIP", "NodePort", "LoadBalancer"),
    "ipFamilyPolicy": one_of("", "SingleStack", "PreferDualStack", "RequireDualStack"),
    "unhealthyPodEvictionPolicy": one_of("AlwaysAllow", "IfHealthyBudget"),
    "strimzi.apiVersion": one_of("kafka.strimzi.io/v1beta2", "kafka.strimzi.io/v1"),
    "terminationGracePeriodSeconds": {"type": ["integer", "null"], "minimum": 1},
    "podDisruptionBudget.minAvailable": {"type": ["integer", "string"]},
    "podDisruptionBudget.maxUnavailable": {"type": ["integer", "string"]},
    "timeout": {"type": "string", "pattern": DURATION},
    "secrets.accounts": NAMES
    | {"additionalProperties": {"type": "array", "minItems": 1, "maxItems": 3, "items": REFERENCE}},
    "secrets.subscribers": NAMES | {"additionalProperties": REFERENCE},
    "secrets.apiTokens": NAMES | {"additionalProperties": REFERENCE},
    "secrets.downlinkToken": OPTIONAL,
    "secrets.downlinkToken2": OPTIONAL,
    "secrets.kafka.saslPassword": OPTIONAL,
    "secrets.kafka.sslKeyPassword": OPTIONAL,
    "secrets.kafka.oauthClientSecret": OPTIONAL,
    "kafkaTls.ca": OPTIONAL,
    "tls.clientCa": OPTIONAL,
}


def of_path(path):
    """The schema that is set for a path by its end, if there is one."""
    for start in range(len(path)):
        found = BY_PATH.get(".".join(path[start:]))
        if found:
            return found
    return None


def of_default(value, path, configs):
    """The schema of a value of the chart, by its default."""
    if path == ("config",):
        merged = {}
        for service in ("frontend", "api"):
            for name in SHARED[service]:
                if name in configs[service]["properties"]:
                    merged.setdefault(name, configs[service]["properties"][name])
        return {"type": "object", "additionalProperties": False, "properties": merged}
    if len(path) == 2 and path[1] == "config":
        return configs[{"commandGateway": "command-gateway"}.get(path[0], path[0])]
    found = of_path(path)
    if found:
        return found
    if isinstance(value, dict):
        fields = {key: of_default(inner, (*path, key), configs) for key, inner in value.items()}
        return {"type": "object", "additionalProperties": path == ("global",), "properties": fields}
    if value is None or value == []:
        raise SystemExit(f"schema.py does not know what {'.'.join(path)} is")
    schema = of_value(value)
    schema.pop("pattern", None)
    return schema


def make():
    """The text of values.schema.json."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = {"$schema": "http://json-schema.org/draft-07/schema#"} | of_default(defaults, (), services())
    return json.dumps(schema, indent=1) + "\n"
