"""Makes the chart's README.md: README.md.gotmpl with the table of values, from the `# --` comments of values.yaml.

The comments and the template are those of helm-docs, which makes the same table; it is left out here because it would
have to be compiled.
"""

import json
import pathlib

import yaml

CHART = pathlib.Path(__file__).resolve().parents[1] / "fleetwire"
MARK = '{{ template "chart.valuesSection" . }}'


def comment(lines, line):
    """The `# --` comment above a line, or nothing."""
    words = []
    while line > 0 and lines[line - 1].strip().startswith("#"):
        line -= 1
        text = lines[line].strip().removeprefix("#").strip()
        if text.startswith("--"):
            return " ".join([text.removeprefix("--").strip(), *words])
        words.insert(0, text)
    return None


def fields(node):
    """Keys and values of a mapping, those that are merged in too."""
    own = {key.value: (key, value) for key, value in node.value if key.tag != "tag:yaml.org,2002:merge"}
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for name, pair in fields(value).items():
                own.setdefault(name, pair)
    return own


def rows(node, value, path, lines):
    """One row for each value with a comment."""
    for name, (key, inner) in fields(node).items():
        text = comment(lines, key.start_mark.line)
        full = (*path, name)
        if text is not None:
            yield ".".join(full), value[name], text
        if isinstance(inner, yaml.MappingNode):
            yield from rows(inner, value[name], full, lines)


def kind(value):
    names = {bool: "bool", int: "int", float: "float", str: "string", list: "list", dict: "object"}
    return names.get(type(value), "string")


def make():
    """The text of README.md."""
    text = (CHART / "values.yaml").read_text()
    table = ["| Key | Type | Default | Description |", "|-----|------|---------|-------------|"]
    found = list(rows(yaml.compose(text), yaml.safe_load(text), (), text.splitlines()))
    for name, value, words in found:
        # What has rows of its own below is not repeated.
        inner = isinstance(value, dict) and any(other.startswith(f"{name}.") for other, _, _ in found)
        default = "see below" if inner else f"`{json.dumps(value)}`"
        table.append(f"| {name} | {kind(value)} | {default} | {words.replace('|', chr(92) + '|')} |")
    template = (CHART / "README.md.gotmpl").read_text()
    if MARK not in template:
        raise SystemExit(f"README.md.gotmpl has no {MARK}")
    return template.replace(MARK, "\n".join(table))
