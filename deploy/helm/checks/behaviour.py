"""What the chart promises, one sentence a check. `values` is the folder of values files."""

import json
import re
import tomllib

from policy import rendered_config
from render import ROOT, Rendered, container, refusal, selects, settings, template, variables


def with_values(name, **changes):
    """A values file with changes; `__` in a name stands for a dot."""
    flags = settings({path.replace("__", "."): value for path, value in changes.items()})
    return Rendered(name, template(f"{FOLDER}/{name}-values.yaml", *flags))


FOLDER = ROOT / "deploy/helm/fleetwire/ci"


def frontends_are_a_deployment_that_adds_a_pod_before_it_takes_one():
    frontend = with_values("minimal").one("Deployment", "-frontend")
    assert frontend["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def what_has_a_transactional_name_is_a_stateful_set():
    least = with_values("minimal")
    assert least.one("StatefulSet", "-command-gateway") and least.one("Deployment", "-decoder")
    exact = with_values("minimal", decoder__config={"decoder": {"exactly_once": True}})
    assert exact.one("StatefulSet", "-decoder") and not exact.of("Deployment", "-decoder")


def the_load_balancer_keeps_the_addresses_of_devices():
    service = with_values("minimal").one("Service", "-mqtt")
    assert service["spec"]["type"] == "LoadBalancer" and service["spec"]["externalTrafficPolicy"] == "Local"


def the_stop_of_a_pod_waits_for_the_load_balancer_and_the_drain():
    changes = {"frontend__drain": {"preStopSeconds": 20, "graceSeconds": 90}}
    rendered = with_values("minimal", **changes)
    spec = rendered.one("Deployment", "-frontend")["spec"]["template"]["spec"]
    assert container(spec)["lifecycle"] == {"preStop": {"sleep": {"seconds": 20}}}
    assert spec["terminationGracePeriodSeconds"] == 115
    assert rendered_config(rendered, "frontend")["process"]["grace"] == "90s"


def a_shorter_end_than_the_drain_is_refused():
    assert "at least preStopSeconds + graceSeconds (35)" in refused(frontend__terminationGracePeriodSeconds=30)


def plain_mqtt_can_be_kept_inside_the_cluster():
    rendered = with_values("operators")
    outside = {port["name"] for port in rendered.one("Service", "-mqtt")["spec"]["ports"]}
    inside = {port["name"] for port in rendered.one("Service", "-frontend")["spec"]["ports"]}
    assert outside == {"mqtts", "ws", "wss"} and "mqtt" in inside
    policy = rendered.one("NetworkPolicy", "-frontend")
    rules = [rule for rule in policy["spec"]["ingress"] if {"port": "mqtt", "protocol": "TCP"} in rule["ports"]]
    assert len(rules) == 1 and rules[0]["from"], "anybody reaches plain MQTT"


def without_plain_mqtt_it_is_served_on_loopback_only():
    frontend = rendered_config(with_values("tls-only"), "frontend")["frontend"]
    assert frontend["listen"].startswith("127.0.0.1:")
    assert frontend["tls"]["client_certificates"] == "optional" and frontend["websocket"]["tls_listen"]


def the_proxy_protocol_is_believed_from_its_networks_only():
    frontend = rendered_config(with_values("operators"), "frontend")["frontend"]
    assert frontend["proxy_protocol"] == {"from": ["10.0.0.0/16"]}
    assert "frontend.proxyProtocol.from" in refused(frontend__proxyProtocol__enabled=True)


def only_gateways_reach_the_port_for_commands():
    rendered = with_values("minimal")
    policy = rendered.one("NetworkPolicy", "-frontend")
    (rule,) = [rule for rule in policy["spec"]["ingress"] if rule["ports"][0]["port"] == "downlink"]
    (peer,) = rule["from"]
    for _, metadata, _ in rendered.pods():
        component = metadata["labels"]["app.kubernetes.io/component"]
        assert selects(peer["podSelector"], metadata["labels"]) == (component == "command-gateway"), component


def decoders_speak_with_kafka_and_names_only():
    policy = with_values("tls-only").one("NetworkPolicy", "-decoder")
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53, 9093, 9094}


def spans_may_go_to_their_collector():
    ports = with_values("operators").one("NetworkPolicy", "-frontend")["spec"]["egress"]
    assert {"ports": [{"port": 14317, "protocol": "TCP"}]} in ports


def nobody_reaches_the_api_unless_values_name_them():
    policy = with_values("minimal").one("NetworkPolicy", "-api")
    assert [rule["ports"][0]["port"] for rule in policy["spec"]["ingress"]] == ["admin"]


def secrets_are_files_that_belong_to_one_service():
    rendered = with_values("tls-only")
    pods = {metadata["labels"]["app.kubernetes.io/component"]: spec for _, metadata, spec in rendered.pods()}
    assert "FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD_2_FILE" in variables(pods["frontend"])
    assert set(variables(pods["api"])) == {"FLEETWIRE_API_TOKEN_OPS_FILE"}
    assert not variables(pods["decoder"])
    for service, files in rendered.toml():
        assert "password" not in json.dumps(tomllib.loads(files[f"{service}.toml"])), service


def each_secret_is_required_where_it_is_used():
    why = refusal(ROOT / "deploy/helm/fleetwire/values.yaml")
    for path in ("secrets.accounts.bce_device", "secrets.downlinkToken", "api.config.api.tokens"):
        assert path in why, path
    accounts = {"acme": {"publish": ["acme/%c"]}}
    assert "secrets.accounts.acme" in refused(config__accounts=accounts)
    assert "secrets.subscribers.tv" in refused(frontend__config={"subscribers": {"tv": {"from": ["10.0.0.0/8"]}}})
    assert "secrets.apiTokens.web" in refused(api__config={"api": {"tokens": {"web": {"scopes": ["read"]}}}})


def defaults_of_secrets_are_refused():
    well_known = {"frontend": {"allow_well_known_passwords": True}}
    assert "allow_well_known_passwords" in refused(frontend__config=well_known)
    assert "sasl.password" in refused(config__kafka__properties={"sasl.password": "x"})
    assert "'/secrets/accounts/bce_device'" in refused(secrets__accounts={"bce_device": "secretword"})


def unknown_and_wrong_values_are_refused():
    for change, word in [
        ({"frontend__replicas": 3}, "replicas"),
        ({"frontend__config": {"frontend": {"max_conections": 1}}}, "max_conections"),
        ({"frontend__config": {"frontend": {"max_connections": "many"}}}, "max_connections"),
        ({"decoder__config": {"api": {}}}, "api"),
        ({"config__accounts": {"bce_device": {"client_id": "imei"}}}, "client_id"),
        ({"image__tag": "latest"}, "/image/tag"),
        ({"frontend__service__externalTrafficPolicy": "local"}, "externalTrafficPolicy"),
        ({"frontend__listeners__mqtt__port": 70000}, "port"),
        ({"api__ingress__enabled": True}, "tlsSecret"),
        ({"frontend__config": {"frontend": {"listen": "0.0.0.0:1"}}}, "listen"),
        ({"config__kafka__brokers": ""}, "config.kafka.brokers"),
        ({"metrics": {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}}, "twice"),
        ({"frontend__listeners__mqtts__enabled": True}, "frontend.tls"),
    ]:
        assert word in (refused(**change) or ""), change


def no_more_decoders_than_partitions():
    assert "24 partitions of raw.v1" in refused(decoder__keda={"enabled": True, "maxReplicaCount": 25})
    partitions = {"config__kafka__topics": {"partitions": {"raw.v1": 25}}}
    with_values("minimal", decoder__keda={"enabled": True, "maxReplicaCount": 25}, **partitions)


def keda_looks_at_the_group_that_decoders_use():
    rendered = with_values("minimal", decoder__keda={"enabled": True}, config__kafka__topic_prefix="acme")
    trigger = rendered.one("ScaledObject", "-decoder")["spec"]["triggers"][0]["metadata"]
    assert trigger["consumerGroup"] == "acme-decoder" and trigger["topic"] == "acme.raw.v1"
    assert trigger["allowIdleConsumers"] == "false" and trigger["limitToPartitionsWithLag"] == "true"
    own = with_values("minimal", decoder__keda={"enabled": True}, decoder__config={"decoder": {"group": "mine"}})
    assert own.one("ScaledObject", "-decoder")["spec"]["triggers"][0]["metadata"]["consumerGroup"] == "mine"
    gateway = with_values("minimal", commandGateway__keda={"enabled": True}).one("ScaledObject", "-command-gateway")
    assert gateway["spec"]["triggers"][0]["metadata"]["consumerGroup"] == "fleetwire-command-gateway"
    assert gateway["spec"]["minReplicaCount"] >= 1 and gateway["spec"]["fallback"]["replicas"] >= 1
    down = gateway["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] >= 300


def keda_takes_the_place_of_the_hpa():
    both = with_values("hpa", decoder__keda={"enabled": True})
    assert both.one("ScaledObject", "-decoder") and not both.of("HorizontalPodAutoscaler", "-decoder")
    assert with_values("hpa").one("HorizontalPodAutoscaler", "-decoder")


def frontends_scale_by_connections_and_cpu():
    metrics = with_values("operators").one("HorizontalPodAutoscaler", "-frontend")["spec"]["metrics"]
    assert metrics[0]["pods"]["metric"]["name"] == "fleetwire_frontend_connections"
    assert metrics[1]["resource"]["name"] == "cpu"


def topics_are_made_before_anything_starts():
    job = with_values("operators", strimzi={"topics": {"enabled": False}, "users": {"enabled": False}}).one("Job")
    arguments = container(job["spec"]["template"]["spec"])["args"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert arguments[:2] == ["topics", "apply"] and "--partitions=raw.v1=48" in arguments
    account = job["spec"]["template"]["spec"]["serviceAccountName"]
    hooks = with_values("minimal").one("ServiceAccount", account)["metadata"]["annotations"]
    assert hooks["helm.sh/hook"] == "pre-install,pre-upgrade" and int(hooks["helm.sh/hook-weight"]) < -10


def strimzi_makes_the_topics_that_fleetwire_asks_for():
    source = (ROOT / "crates/model/src/topic.rs").read_text()
    wanted = set(re.findall(r'Self::\w+ => "([a-z.-]+\.v1)"', source))
    rendered = with_values("operators")
    specs = [topic["spec"] for topic in rendered.of("KafkaTopic")]
    topics = {spec["topicName"].removeprefix("fleetwire."): spec for spec in specs}
    assert topics.keys() == wanted and topics["raw.v1"]["partitions"] == 48
    row = re.compile(r"^\| `fleetwire\.([a-z0-9.-]+)` \|.*\| (\d+) \| (.*) \|$", re.M)
    table = row.findall((ROOT / "docs/operations.md").read_text())
    for name, partitions, kept in table:
        spec = topics[name]
        assert name == "raw.v1" or spec["partitions"] == int(partitions), name
        assert (spec["config"]["cleanup.policy"] == "compact") == ("compacted" in kept), name
        time = re.match(r"(\d+) (days|h)\b", kept)
        unit = {"days": 86400000, "h": 3600000}
        assert not time or spec["config"]["retention.ms"] == int(time[1]) * unit[time[2]], name
    assert len(table) == len(topics)
    job = container(rendered.one("Job")["spec"]["template"]["spec"])
    assert job["args"][:2] == ["topics", "check"]


def each_service_has_a_kafka_user_of_its_own():
    rendered = with_values("operators")
    users = {user["metadata"]["name"] for user in rendered.of("KafkaUser")}
    for _, metadata, spec in rendered.pods():
        (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "kafka-tls"]
        secret = volume["projected"]["sources"][1]["secret"]["name"]
        assert secret in users, secret
        component = metadata["labels"]["app.kubernetes.io/component"]
        assert secret.endswith(component) or component in ("topics", "test"), secret


def a_changed_setting_replaces_the_pods_that_it_is_about():
    def checksums(rendered):
        return {
            owner["metadata"]["name"]: metadata["annotations"]["checksum/config"]
            for owner, metadata, _ in rendered.workloads()
        }

    before = checksums(with_values("minimal"))
    after = checksums(with_values("minimal", decoder__config={"decoder": {"max_in_flight": 5}}))
    assert {name for name in before if before[name] != after[name]} == {"fw-fleetwire-decoder"}


def the_test_is_a_device_and_somebody_who_sees_it():
    pod = with_values("minimal").one("Pod", "-test")
    device, position = pod["spec"]["containers"]
    assert device["args"][0] == "simulate" and "--mqtt=fw-fleetwire-frontend:1883" in device["args"]
    assert position["args"][:2] == ["watch", "positions"] and "--count=1" in position["args"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"


def rules_and_dashboards_are_those_of_deploy():
    rendered = with_values("operators", prometheusRule={"enabled": True, "runbookUrl": "https://wiki.example.com/"})
    dashboards = rendered.of("ConfigMap")
    for file in (ROOT / "deploy/grafana/dashboards").glob("*.json"):
        (found,) = [one for one in dashboards if file.name in one["data"]]
        assert json.loads(found["data"][file.name]) == json.loads(file.read_text()), file
        assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert found["metadata"]["annotations"]["grafana_folder"] == "fleetwire"
        assert len(found["data"][file.name]) < 900_000, f"{file} is too large for a ConfigMap"
    groups = rendered.one("PrometheusRule")["spec"]["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert alerts
    for alert in alerts:
        url = alert["annotations"].get("runbook_url", "https://wiki.example.com/")
        assert url.startswith("https://wiki.example.com/"), alert["alert"]


def monitors_name_the_part_and_the_region():
    for monitor in (
        with_values("operators").one("PodMonitor")["spec"]["podMetricsEndpoints"],
        with_values("hpa", config__process__region="eu").one("ServiceMonitor")["spec"]["endpoints"],
    ):
        labels = {rule["targetLabel"]: rule for rule in monitor[0]["relabelings"]}
        assert labels["job"]["replacement"] == "fleetwire-$1" and "region" in labels


def pods_may_listen_on_both_families():
    rendered = with_values("minimal", bindAddress="[::]")
    config = rendered_config(rendered, "frontend")
    assert config["process"]["admin"] == "[::]:9464" and config["downlink"]["listen"] == "[::]:9465"
    assert config["frontend"]["listen"] == "[::]:1883"


def names_of_a_long_release_stay_valid():
    long = Rendered("long", template(f"{FOLDER}/minimal-values.yaml", "--set", "fullnameOverride=" + "a" * 60))
    for document in long.documents:
        assert len(document["metadata"]["name"]) <= 63, document["metadata"]["name"]


def refused(**changes):
    flags = settings({path.replace("__", "."): value for path, value in changes.items()})
    return refusal(f"{FOLDER}/minimal-values.yaml", *flags)


ALL = [
    check
    for name, check in list(globals().items())
    if callable(check)
    and getattr(check, "__module__", "") == __name__
    and name not in ("with_values", "refused")
]
