"""Writes every dashboard into a folder."""

import json
import pathlib
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from . import commands, decoder, frontend, kafka, overview


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for module in (overview, frontend, decoder, commands, kafka):
        name, made = module.dashboard()
        text = JSONEncoder(sort_keys=True, indent=2).encode(made.build())
        json.loads(text)
        (folder / f"{name}.json").write_text(text + "\n")


main()
