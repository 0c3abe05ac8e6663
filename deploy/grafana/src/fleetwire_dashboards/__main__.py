"""Writes every dashboard into a folder."""

import json
import pathlib
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from . import commands, decoder, frontend, kafka, overview


def encoded(board):
    return JSONEncoder(sort_keys=True, indent=2).encode(board)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    register_default_plugins()
    for module in (overview, frontend, decoder, commands, kafka):
        name, made = module.dashboard()
        text = encoded(made.build())
        # What Grafana's types do not know would be lost, or fail, here.
        if encoded(Dashboard.from_json(json.loads(text))) != text:
            sys.exit(f"{name}: it is not what Grafana's types say of a dashboard")
        (folder / f"{name}.json").write_text(text + "\n")


main()
