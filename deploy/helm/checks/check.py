"""Checks the chart, the image and the compose file. `.ci/chart` calls it; it says what is wrong and ends with 1 then.

Usage: check.py FLEETWIRE MODULES, the binary and the folder with node_modules.
"""

import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback

import yaml
from compose_spec import PyCompose

import behaviour
import policy
import readme
import schema
import schemas
from render import CHART, ROOT, Rendered, helm, template

COMPOSE = ROOT / "deploy/docker/compose.yaml"
SERVICES = ("frontend", "decoder", "command-gateway", "api", "gaps")


def files():
    """The values files of the matrix."""
    return sorted(CHART.glob("ci/*-values.yaml")) + sorted(CHART.glob("values-*.yaml"))


def generated_files_are_in_step():
    for name, made in (("values.schema.json", schema.make()), ("README.md", readme.make())):
        assert (CHART / name).read_text() == made, f"{name} is not what its sources make: run `.ci/chart update`"


def every_value_is_described():
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    described = {line.split("|")[1].strip() for line in (CHART / "README.md").read_text().splitlines() if "|" in line}

    def leaves(value, path):
        if ".".join(path) in described:
            return
        assert isinstance(value, dict) and value, f"{'.'.join(path)} has no `# --` comment"
        for key, inner in value.items():
            leaves(inner, (*path, key))

    for key, inner in defaults.items():
        leaves(inner, (key,))


def helm_lints_every_values_file():
    for file in files():
        code, out, err = helm("lint", CHART, "--strict", "--quiet", "-f", file)
        assert code == 0, f"{file.name}: {out}{err}"


def the_package_holds_rules_and_dashboards():
    with tempfile.TemporaryDirectory() as folder:
        code, out, err = helm("package", CHART, "--destination", folder)
        assert code == 0, out + err
        (package,) = pathlib.Path(folder).glob("*.tgz")
        names = subprocess.run(["tar", "tzf", package], capture_output=True, text=True, check=True).stdout
    for wanted in ("fleetwire/files/rules/alerts.yml", "fleetwire/files/dashboards/", "fleetwire/values.schema.json"):
        assert wanted in names, f"{wanted} is not in the package"


def check_config(binary, service, contents):
    """`fleetwire check-config` of a file, with the files that lie beside it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in contents.items():
            (pathlib.Path(folder) / name).write_text(text)
        file = pathlib.Path(folder) / f"{service}.toml"
        done = subprocess.run(
            [binary, "check-config", service, file], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{service}: {done.stderr.strip()}\n{file.name}:\n{contents[file.name]}"


def every_rendered_file_is_accepted(binary, all_rendered):
    for rendered in all_rendered:
        found = list(rendered.toml())
        assert len(found) == len(rendered.workloads()), f"{rendered.name}: {len(found)} configurations"
        for service, contents in found:
            check_config(binary, service, contents)


def uncommented(service):
    """A sample with each default written out."""
    lines = (ROOT / f"deploy/config/{service}.toml").read_text().splitlines()
    return tomllib.loads("\n".join(line[1:] if re.match("#[^ ]", line) else line for line in lines))


def every_key_of_the_samples_can_be_set(binary):
    """The schema takes every key that is not the chart's, and they come out as the service reads them."""
    with tempfile.TemporaryDirectory() as folder:
        values = yaml.safe_load((CHART / "ci/minimal-values.yaml").read_text())
        wanted = {}
        for service in SERVICES:
            config = wanted[service] = uncommented(service)
            for path in schema.OWN:
                drop(config, path)
            for table in [name for name in config.get("frontend", {}) if config["frontend"][name] == {}]:
                del config["frontend"][table]
            config["kafka"]["properties"] = {}
            config.get("frontend", {}).pop("tls", None)
            key = "commandGateway" if service == "command-gateway" else service
            values.setdefault(key, {})["config"] = config
        values["gaps"]["enabled"] = True
        values["configFiles"] = {"acme.toml": MAPPING}
        references = {name: {"name": "s", "key": "k"} for name in ("ops", "acme")}
        values["secrets"]["subscribers"] = references
        file = pathlib.Path(folder) / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        rendered = Rendered("samples", template(file))
        for service, contents in rendered.toml():
            check_config(binary, service, contents)
            out = tomllib.loads(contents[f"{service}.toml"])
            missing(wanted[service], out, service)


MAPPING = '[device]\nat = "/id"\n[time]\nat = "/t"\n[fix]\nlatitude = "/lat"\nlongitude = "/lon"\n'


def drop(config, path):
    for name in path[:-1]:
        config = config.get(name, {})
    config.pop(path[-1], None)


def missing(wanted, found, path):
    """Fails where a setting did not come out as it went in."""
    for key, value in wanted.items():
        if isinstance(value, dict):
            missing(value, found.get(key, {}), f"{path}.{key}")
        else:
            assert found.get(key) == value, f"{path}.{key} is {found.get(key)!r}, not {value!r}"


def shared_settings_reach_every_service_that_has_them():
    """A table of `config` goes to the services whose samples have it, and to no others."""
    helper = (CHART / "templates/_config.tpl").read_text()
    samples = {service: set(uncommented(service)) for service in SERVICES}
    listed = {service: set(re.search(f'"{service}" "([a-z ]+)"', helper)[1].split()) for service in SERVICES}
    shared = set().union(*listed.values()) & set().union(*samples.values())
    for service in SERVICES:
        assert listed[service] & shared == samples[service] & shared, f"_config.tpl lists {listed[service]} for {service}"


def hadolint_has_nothing_to_say():
    hadolint = pathlib.Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [hadolint, ROOT / "deploy/docker/Dockerfile"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def the_compose_file_is_one(binary):
    text = COMPOSE.read_text()
    PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(text))).to_spec()
    compose = yaml.safe_load(text)
    for name, service in compose["services"].items():
        image = service["image"]
        assert ":" in image.rsplit("/", 1)[-1] and not image.endswith(":latest"), f"{name} has no fixed version"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (COMPOSE.parent / source).exists(), f"{name} mounts {source}, which is missing"
            else:
                assert source in compose["volumes"], f"{name} mounts {source}, which is no volume"
        if image.startswith("fleetwire:"):
            assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["user"] == "65532:65532"
            command = service["command"]
            done = subprocess.run([binary, *command, "--help"], capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 0, f"{name}: {done.stderr}"
    scraped = yaml.safe_load((COMPOSE.parent / "config/prometheus.yml").read_text())["scrape_configs"]
    targets = {job["static_configs"][0]["targets"][0] for job in scraped}
    assert targets == {f"{service}:9464" for service in SERVICES}, targets
    for service in SERVICES:
        file = COMPOSE.parent / f"config/{service}.toml"
        check_config(binary, service, {file.name: file.read_text()})


def arguments_of_jobs_are_known(binary, all_rendered):
    """Each command line that the chart makes is one that the binary takes: `--help` after it answers."""
    seen = set()
    for rendered in all_rendered:
        for _, _, spec in rendered.pods():
            for one in spec["containers"]:
                seen.add(tuple(one["args"]))
    for arguments in seen:
        done = subprocess.run(
            [binary, *arguments, "--help"], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"


def main():
    binary, modules = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        rendered = list(pool.map(lambda file: Rendered(file.stem, template(file)), files()))
        rendered += pool.map(
            lambda version: Rendered(
                f"operators, {version}", template(CHART / "ci/operators-values.yaml", kubernetes=version)
            ),
            [f"{schemas.OLDEST}.0", f"{schemas.NEWEST}.0"],
        )
        checks = [
            generated_files_are_in_step,
            every_value_is_described,
            shared_settings_reach_every_service_that_has_them,
            helm_lints_every_values_file,
            the_package_holds_rules_and_dashboards,
            hadolint_has_nothing_to_say,
        ]
        jobs = [(check.__name__, pool.submit(check)) for check in checks + behaviour.ALL]
        for check in (every_rendered_file_is_accepted, arguments_of_jobs_are_known):
            jobs.append((check.__name__, pool.submit(check, binary, rendered)))
        for check in (every_key_of_the_samples_can_be_set, the_compose_file_is_one):
            jobs.append((check.__name__, pool.submit(check, binary)))
        for check in (*policy.ALL, schemas.kubernetes, schemas.strimzi):
            jobs += [(f"{check.__name__} of {one.name}", pool.submit(check, one)) for one in rendered]
        jobs.append(("custom resources", pool.submit(schemas.custom, rendered, modules)))
    wrong = [(name, job.exception()) for name, job in jobs if job.exception()]
    for name, error in wrong:
        print(f"FAILED {name}: {error or ''.join(traceback.format_exception(error))}", file=sys.stderr)
    kinds = collections.Counter(document["kind"] for one in rendered for document in one.documents)
    print(
        f"chart: {len(jobs) - len(wrong)} checks passed, {len(wrong)} failed; {len(rendered)} renderings with "
        f"{kinds.total()} resources of {len(kinds)} kinds, in {time.monotonic() - began:.0f} s"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
