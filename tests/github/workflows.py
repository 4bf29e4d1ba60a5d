"""The workflows as data: their jobs, steps, actions, and which targets of make they call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.repo.tree import ROOT

FOLDER = ROOT / ".github" / "workflows"


def workflows() -> dict[str, dict[Any, Any]]:
    """Every workflow by its name; YAML 1.1 reads the key `on` as True."""
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))}


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every job with the name `workflow/job`."""
    for name, workflow in workflows().items():
        for job, content in workflow["jobs"].items():
            yield f"{name}/{job}", content


def runs(job: dict[str, Any]) -> list[str]:
    """What a job's steps run."""
    return [step["run"] for step in job.get("steps", ()) if "run" in step]


def called(command: str) -> set[str]:
    """Targets of `make` in a command: the words before a redirection that set no variable."""
    if not command.startswith("make "):
        return set()
    words = re.sub(r'=("[^"]*"|\S*)', "=", command).partition(">>")[0].split()[1:]
    return {word for word in words if "=" not in word}
