"""Decides which services an event retrains: `python -m pipelines.trigger --event push --payload FILE`.

Five things start a training: the schedule, changed data, changed code, a message, a changed application. The
answer is lines of `name=value`, as a workflow reads them: `services` (a JSON list, empty if there is nothing
to train) and `reason` (one sentence). The event's text is never part of the answer: a name in it must be that of
a service in this tree.

The exit status is 2 for an event that is not understood, because it is then unknown whether to train.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.code import ROOT
from components.errors import ComponentError, GitError, SpecError
from components.git.command import git

#: Paths of the code that decides what a model learns.
_CODE: Final = ("components/", "pipelines/", "requirements.txt")
#: Paths of the code that serves a model.
_APPLICATION: Final = ("services/model_server/", "services/telemetry.py")
_NOBODY: Final = "0" * 40
_MESSAGES: Final = {"train": "a message asked for it", "data-changed": "a message said that its data changed"}


@dataclass(frozen=True)
class TriggerDecision:
    """The services to train, in order of their names, and the reason."""

    services: tuple[str, ...]
    reason: str

    def lines(self) -> str:
        """The decision as the output lines of a workflow."""
        return f"services={json.dumps(list(self.services))}\nreason={self.reason}\n"


def decide(event: str, payload: Mapping[str, Any], changed: Sequence[str], services: Iterable[str]) -> TriggerDecision:
    """The decision for an event; `changed` are the files that a push changed, relative to the root.

    Raises:
        SpecError: the event is not one that trains, or names an unknown service.
    """
    known = tuple(sorted(services))
    if event == "schedule":
        return TriggerDecision(known, "the schedule asked for it")
    if event == "push":
        return _of_push(changed, known)
    if event == "workflow_dispatch":
        return TriggerDecision(_named(payload.get("inputs"), known), "a person asked for it")
    if event == "repository_dispatch" and payload.get("action") in _MESSAGES:
        return TriggerDecision(_named(payload.get("client_payload"), known), _MESSAGES[payload["action"]])
    allowed = f"schedule, push, workflow_dispatch, repository_dispatch of type {' or '.join(_MESSAGES)}"
    raise SpecError(f"event {event!r} of type {payload.get('action')!r} starts no training; allowed: {allowed}")


def _of_push(changed: Sequence[str], known: tuple[str, ...]) -> TriggerDecision:
    if any(file.startswith(_CODE) for file in changed):
        return TriggerDecision(known, "the code that trains changed")
    if any(file.startswith(_APPLICATION) for file in changed):
        return TriggerDecision(known, "the application that serves changed")
    spec = tuple(name for name in known if f"services/{name}/service.yaml" in changed)
    data = tuple(name for name in known if any(_is_data(file, name) for file in changed))
    parts = (("the spec", spec), ("the data", data))
    reasons = [f"{what} of {', '.join(names)} changed" for what, names in parts if names]
    return TriggerDecision(
        tuple(sorted({*spec, *data})), " and ".join(reasons) or "nothing changed that a model learns from"
    )


def _is_data(file: str, service: str) -> bool:
    """True for a file of data in the service's folder, which also holds YAML and Markdown."""
    folder = f"services/{service}/"
    return file.startswith(folder) and not file.endswith((".yaml", ".md"))


def _named(given: object, known: tuple[str, ...]) -> tuple[str, ...]:
    """The service that a message names, or all services if it names none."""
    name = given.get("service") if isinstance(given, Mapping) else None
    if not name:
        return known
    if name not in known:
        raise SpecError(f"service {name!r} is not there; services are: {', '.join(known)}")
    return (str(name),)


def known_services(root: Path) -> list[str]:
    """The services of a tree: folders with a spec."""
    return sorted(path.parent.name for path in (root / "services").glob("*/service.yaml"))


def changed_files(payload: Mapping[str, Any], root: Path) -> list[str]:
    """The files that a push changed; all files of the tree if the branch is new.

    Raises:
        ComponentError: Git does not know the commits.
    """
    before, after = str(payload.get("before", "")), str(payload.get("after", ""))
    if not all(len(commit) == 40 and commit.isalnum() for commit in (before, after)):
        raise ComponentError(f"the push names no commits (before: {before!r}, after: {after!r})")
    asked = ["ls-tree", "-r", "-z", "--name-only", after] if before == _NOBODY else _difference(before, after)
    try:
        names = git(root, *asked).decode()
    except GitError as error:
        raise ComponentError(f"what changed is not known, fetch the whole history: {error}") from error
    return [file for file in names.split("\0") if file]


def _difference(before: str, after: str) -> list[str]:
    return ["diff", "-z", "--name-only", "--no-renames", before, after]


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 2 if it is unknown whether to train."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.trigger", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--event", required=True, help="the event's name")
    parser.add_argument("--payload", type=Path, required=True, help="the event, as a JSON file")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    try:
        payload = read_payload(asked.payload)
        changed = changed_files(payload, asked.root) if asked.event == "push" else []
        sys.stdout.write(decide(asked.event, payload, changed, known_services(asked.root)).lines())
    except ComponentError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def read_payload(path: Path) -> dict[str, Any]:
    """Reads an event from the file that GitHub writes.

    Raises:
        SpecError: the file cannot be read.
    """
    try:
        payload = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: the event cannot be read: {error}") from error
    if not isinstance(payload, dict):
        raise SpecError(f"{path}: an event is a JSON object")
    return payload


if __name__ == "__main__":
    sys.exit(main())
