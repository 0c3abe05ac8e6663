"""Rules that every rendered pod and reference keeps, whatever the values."""

from render import container, selects

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def pods(rendered):
    """Pods are confined, bounded and looked at."""
    for owner, metadata, spec in rendered.pods():
        where = f"{rendered.name}: {owner['kind']} {owner['metadata']['name']}"
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] > 10000, f"{where} may run as root"
        assert context["seccompProfile"]["type"] == "RuntimeDefault", f"{where} has no seccomp profile"
        assert spec["automountServiceAccountToken"] is False, f"{where} mounts a token"
        assert spec["serviceAccountName"] != "default", f"{where} has the default service account"
        for flag in ("hostNetwork", "hostPID", "hostIPC"):
            assert not spec.get(flag), f"{where} has {flag}"
        assert not any("hostPath" in volume for volume in spec.get("volumes", [])), f"{where} mounts the host"
        for one in spec["containers"]:
            security = one["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, f"{where} may escalate"
            assert security["readOnlyRootFilesystem"] is True, f"{where} may write its root"
            assert security["capabilities"]["drop"] == ["ALL"], f"{where} keeps capabilities"
            assert "add" not in security["capabilities"], f"{where} adds capabilities"
            image = one["image"]
            assert "@sha256:" in image or not image.endswith(":latest") and ":" in image, f"{where} has no fixed image"
            for side in ("requests", "limits"):
                assert {"cpu", "memory"} <= one["resources"][side].keys(), f"{where} has no {side}"
            assert "command" not in one, f"{where} replaces the entry point, and there is no shell"
            for entry in one.get("env", []):
                assert "valueFrom" not in entry, f"{where} has a secret in its environment"
            mounts = {mount["name"] for mount in one.get("volumeMounts", [])}
            volumes = {volume["name"] for volume in spec.get("volumes", [])}
            assert mounts <= volumes, f"{where} mounts {mounts - volumes}, which are no volumes"


def services(rendered):
    """Services have probes, a budget, a policy, and time to stop."""
    for owner, metadata, spec in rendered.workloads():
        where = f"{rendered.name}: {owner['metadata']['name']}"
        one = container(spec)
        for probe in PROBES:
            assert one[probe]["httpGet"]["port"] == "admin", f"{where} has no {probe}"
        assert one["livenessProbe"]["httpGet"]["path"] == "/livez", f"{where} restarts when Kafka is away"
        assert spec["topologySpreadConstraints"], f"{where} is not spread"
        labels = metadata["labels"]
        assert selects(owner["spec"]["selector"], labels), f"{where} does not select its own pods"
        budgets = [found for found in rendered.of("PodDisruptionBudget") if selects(found["spec"]["selector"], labels)]
        assert len(budgets) == 1, f"{where} has {len(budgets)} disruption budgets"
        pause = one.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        config = rendered_config(rendered, labels["app.kubernetes.io/component"])
        needed = pause + int(config["process"]["grace"].removesuffix("s"))
        assert spec["terminationGracePeriodSeconds"] >= needed + 5, f"{where} is killed in the middle of its stop"


def policies(rendered):
    """Where there are network policies, every pod has one for both directions."""
    if not rendered.of("NetworkPolicy"):
        return
    for owner, metadata, _ in rendered.pods():
        labels = metadata["labels"]
        found = [one for one in rendered.of("NetworkPolicy") if selects(one["spec"]["podSelector"], labels)]
        assert len(found) == 1, f"{rendered.name}: {owner['metadata']['name']} has {len(found)} network policies"
        assert set(found[0]["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        for rule in found[0]["spec"].get("egress", []):
            assert rule.get("ports"), f"{rendered.name}: a rule of egress without ports"
        for rule in found[0]["spec"].get("ingress", []):
            assert rule.get("ports"), f"{rendered.name}: a rule of ingress without ports"


def references(rendered):
    """What is referred to is there: ConfigMaps, ports, service accounts, targets of scaling, headless services."""
    names = {(one["kind"], one["metadata"]["name"]) for one in rendered.documents}
    for owner, _, spec in rendered.pods():
        where = f"{rendered.name}: {owner['metadata']['name']}"
        for volume in spec.get("volumes", []):
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names, f"{where} mounts a missing ConfigMap"
        if rendered.of("ServiceAccount", "-fleetwire"):
            assert ("ServiceAccount", spec["serviceAccountName"]) in names, f"{where} has an unknown service account"
        if owner["kind"] == "StatefulSet":
            assert ("Service", owner["spec"]["serviceName"]) in names, f"{where} has no headless service"
    for service in rendered.of("Service"):
        targets = [
            {port["name"] for one in spec["containers"] for port in one.get("ports", [])}
            for _, metadata, spec in rendered.workloads()
            if selects({"matchLabels": service["spec"]["selector"]}, metadata["labels"])
        ]
        assert targets, f"{rendered.name}: service {service['metadata']['name']} selects nothing"
        for port in service["spec"]["ports"]:
            assert all(port["targetPort"] in ports for ports in targets), f"{service['metadata']['name']}: {port}"
    for scaler in rendered.of("HorizontalPodAutoscaler") + rendered.of("ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in names, f"{rendered.name}: {target} is missing"
        owner = rendered.one(target["kind"], target["name"])
        assert "replicas" not in owner["spec"], f"{target['name']} has replicas beside what scales it"


def rendered_config(rendered, service):
    import tomllib

    for found, files in rendered.toml():
        if found == service:
            return tomllib.loads(files[f"{service}.toml"])
    raise AssertionError(f"{rendered.name}: no configuration of {service}")


ALL = (pods, services, policies, references)
