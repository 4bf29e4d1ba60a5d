"""Decides which services an event asks to train again: `python -m pipelines.trigger --event push --payload FILE`.

Five things start a training: the schedule, changed data, changed code, a message, a changed application. The
answer is lines of `name=value`, as a workflow takes them: `services` (a JSON list, empty when there is
nothing to train) and `reason` (one sentence). Text of the event is never part of the answer: what it names
has to be a service of this tree.

Ends with 2 for an event that is not understood: whether to train is then not known.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.errors import ComponentError, GitError, SpecError
from components.git.command import git
from components.registry.provenance import ROOT

#: Whatever is below these decides what a model learns.
_CODE: Final = ("components/", "pipelines/", "requirements.txt")
#: Whatever is below these decides what the program does that serves a model.
_APPLICATION: Final = ("services/model_server/", "services/telemetry.py")
_NOBODY: Final = "0" * 40
_MESSAGES: Final = {"train": "a message asked for it", "data-changed": "a message said that its data changed"}


@dataclass(frozen=True)
class TriggerDecision:
    """Which services to train, in order of their names, and why."""

    services: tuple[str, ...]
    reason: str

    def lines(self) -> str:
        """As a workflow's outputs."""
        return f"services={json.dumps(list(self.services))}\nreason={self.reason}\n"


def decide(event: str, payload: Mapping[str, Any], changed: Sequence[str], services: Iterable[str]) -> TriggerDecision:
    """What an event asks for; `changed` are the files that a push changed, relative to the root.

    Raises:
        SpecError: the event is none of those that train, or names a service that is not there.
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
    """A service's folder holds its spec and its table."""
    folder = f"services/{service}/"
    return file.startswith(folder) and not file.endswith((".yaml", ".md"))


def _named(given: object, known: tuple[str, ...]) -> tuple[str, ...]:
    """The service that a message names; all of them when it names none."""
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
    """The files that a push changed; all of the tree when the branch is new.

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
    """The command line; the exit status is 2 when it is not known whether to train."""
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
    """An event as GitHub writes it to a file.

    Raises:
        SpecError: it cannot be read.
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
