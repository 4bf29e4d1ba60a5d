"""Registers a champion's package in a new registry: `python -P seed.py`, with JSON on stdin.

It runs with the code and the libraries of the replayed commit, so that its own steps find what they know.
"""

from __future__ import annotations

import json
import sys

from components.registry.model_registry import connect, promote, register_version


def main() -> None:
    """Reads what to register: `mlflow`, `name`, `package`, `tags`."""
    asked = json.load(sys.stdin)
    client = connect(asked["mlflow"])
    run = client.create_run(client.create_experiment(asked["name"])).info.run_id
    made = register_version(client, asked["name"], asked["package"], run, asked["tags"])
    promote(asked["mlflow"], asked["name"], made.version)


if __name__ == "__main__":
    main()
