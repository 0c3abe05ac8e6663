"""Checks what no tool of Prometheus or Grafana knows of fleetwire: exits with 1 and says what is wrong.

- Queries of dashboards and rules ask only for metrics that docs/metrics.md has, or that a recording rule makes, and every
  recording rule is used.
- Every alert has a severity, a summary, a description, and a section in docs/runbooks where its runbook_url points;
  every such section has its alert.
- Every alert is shown by deploy/prometheus/tests to fire and to stay quiet.
- Dashboards have a stable uid and the tag by which they are linked, panels a description, a unit and thresholds, and no
  data source by its uid.
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules"
BASE = "https://github.com/fleetwire/fleetwire/blob/main/docs/runbooks/"
METRIC = re.compile(r"\b(?:fleetwire|process)_[a-z0-9_]+")
RECORDED = re.compile(r"\bfleetwire:[a-z0-9_:]+")

wrong = []


def expect(holds, message):
    if not holds:
        wrong.append(message)


def rules():
    """Every rule of the files, with the name of its file."""
    for file in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield file.name, rule


def dashboards():
    for file in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json")):
        yield file.name, json.loads(file.read_text())


def queries():
    """Every query, with where it is."""
    for file, rule in rules():
        yield f"{file}, {rule.get('alert') or rule.get('record')}", rule["expr"]
    for file, board in dashboards():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield f"{file}, {panel['title']}", target["expr"]
        for variable in board["templating"]["list"]:
            yield f"{file}, ${variable['name']}", variable["query"]


def check_metrics():
    documented = set(re.findall(r"`((?:fleetwire|process)_[a-z0-9_]+)`", (ROOT / "docs/metrics.md").read_text()))
    recorded = {rule["record"] for _, rule in rules() if "record" in rule}
    used = set()
    for where, query in queries():
        for name in METRIC.findall(query):
            whole = re.sub(r"_(bucket|sum|count)$", "", name)
            expect({name, whole} & documented, f"{where}: {name} is not in docs/metrics.md")
        for name in RECORDED.findall(query):
            used.add(name)
            expect(name in recorded, f"{where}: no rule records {name}")
    for name in recorded - used:
        wrong.append(f"no dashboard and no alert uses {name}")


def anchors():
    """Sections of the runbooks that are named as an alert, as file#anchor."""
    for file in sorted((ROOT / "docs/runbooks").glob("*.md")):
        for name in re.findall(r"^## (Fleetwire\w+)$", file.read_text(), re.M):
            yield f"{file.name}#{name.lower()}"


def check_alerts():
    sections, pointed = set(anchors()), set()
    fires, quiet = tested()
    for _file, rule in rules():
        name = rule.get("alert")
        if not name:
            continue
        labels, notes = rule.get("labels", {}), rule.get("annotations", {})
        expect(labels.get("severity") in {"critical", "warning"}, f"{name}: severity")
        for key in ("summary", "description"):
            expect(notes.get(key), f"{name}: no {key}")
        url = notes.get("runbook_url", "")
        expect(url.startswith(BASE), f"{name}: runbook_url does not begin with {BASE}")
        pointed.add(url.removeprefix(BASE))
        expect(url.endswith(f"#{name.lower()}"), f"{name}: runbook_url points to another section")
        expect(url.removeprefix(BASE) in sections, f"{name}: docs/runbooks has no {url.removeprefix(BASE)}")
        expect(name in fires, f"{name}: no test shows it fire")
        expect(name in quiet, f"{name}: no test shows it stay quiet")
    for section in sections - pointed:
        wrong.append(f"docs/runbooks/{section}: no alert points here")


def tested():
    """Names of alerts that tests expect to fire, and to be quiet."""
    fires, quiet = set(), set()
    for file in sorted((ROOT / "deploy/prometheus/tests").glob("*.yml")):
        for test in yaml.safe_load(file.read_text())["tests"]:
            for case in test.get("promql_expr_test", []):
                name = re.search(r'ALERTS\{alertname="(\w+)"', case["expr"]).group(1)
                (fires if case["exp_samples"] else quiet).add(name)
    return fires, quiet


def check_dashboards():
    seen = set()
    for file, board in dashboards():
        expect(board["uid"] == f"fleetwire-{file.removesuffix('.json')}", f"{file}: uid")
        expect("fleetwire" in board["tags"] and board["links"], f"{file}: tag or links")
        names = [variable["name"] for variable in board["templating"]["list"]]
        expect(names == ["datasource", "region", "namespace", "pod", "instance"], f"{file}: variables {names}")
        for panel in board["panels"]:
            if panel["type"] == "row":
                continue
            where, defaults = f"{file}, {panel['title']}", panel["fieldConfig"]["defaults"]
            expect((file, panel["title"]) not in seen, f"{where}: twice")
            seen.add((file, panel["title"]))
            expect(len(panel.get("description", "")) > 15, f"{where}: no description")
            expect(defaults.get("unit"), f"{where}: no unit")
            expect(defaults.get("thresholds", {}).get("steps"), f"{where}: no thresholds")
            for source in [panel, *panel["targets"]]:
                expect(source["datasource"]["uid"] == "${datasource}", f"{where}: data source by uid")
            for target in panel["targets"]:
                fixed = re.search(r"\[\d+[smhd]", target["expr"])
                expect(not fixed, f"{where}: a range that is not $__rate_interval or $__range")


def main():
    check_metrics()
    check_alerts()
    check_dashboards()
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"dashboards and rules: {sum(1 for _ in queries())} queries are consistent with docs and tests")


main()
