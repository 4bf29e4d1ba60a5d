"""A release of churn: its file in the environment's repository, and the metadata that Flagger tells of it."""

from __future__ import annotations

from tests.services.judge.recorded import ROLLOUT

FILE = "k8s/envs/local/churn.yaml"
TOLD = {"rollout": ROLLOUT.model_dump_json(), "version": "2", "package": "sha256:new"}


def asking(version: str) -> str:
    """The text of the file that asks for a version."""
    return f"service: churn\nversion: '{version}'\npackage: sha256:new\n"
