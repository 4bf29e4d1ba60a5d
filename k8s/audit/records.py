"""Reads the records in a dossier's folder, and checks those that carry their own digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from components.errors import PackageError
from components.evaluation.result import Evaluation
from components.package.model_package import Package, read_package
from components.releases.release_file import NamedRelease, named_release
from components.spec.contract import ClosedModel
from k8s.audit.errors import AuditError

#: Names of the records in a dossier's folder.
PACKAGE: Final = "package"
RUN: Final = "run.json"
EVALUATION: Final = "evaluation.json"
VALIDATION: Final = "validation.md"
SNAPSHOT: Final = "snapshot.json"
HISTORY: Final = "history.json"
COMMITS: Final = "commits"
EVENTS: Final = "events.jsonl"
VERDICT: Final = "verdict.json"
REPLAY: Final = "replay.json"
IMAGE: Final = "image.json"
SIGNATURE: Final = "package.sigstore.json"
MATERIALS: Final = "package.cdx.json"


class Step(ClosedModel):
    """A commit of the environment repository about the version.

    Attributes:
        kind: `release` requests the version, `revert` takes it back.
        merge: the merge that brought the commit to the branch; None if it was made there.
    """

    commit: str
    kind: str
    environment: str
    merge: str | None


class History(ClosedModel):
    """The environment repository's steps for the version, oldest first, as of commit `head`."""

    head: str
    steps: tuple[Step, ...]


class SnapshotRecord(ClosedModel):
    """The state of the snapshot when the dossier was written; `digest` is None if the store no longer had it."""

    named: str
    digest: str | None
    rows: int | None


@dataclass(frozen=True)
class CommitRecord:
    """A commit, parsed from its own bytes."""

    author: str
    when: int
    message: str

    @property
    def subject(self) -> str:
        """The message's first line."""
        return self.message.partition("\n")[0]


_Model = TypeVar("_Model", bound=ClosedModel)


class Records:
    """The folder's records; most are read on first use and then cached."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        """True if the record exists."""
        return (self.folder / name).is_file()

    def json(self, name: str) -> Any:
        """A JSON record.

        Raises:
            AuditError: the record cannot be read or is not JSON.
        """
        try:
            return json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError) as error:
            raise AuditError(f"{self.folder / name}: cannot be read: {error}") from error

    @cached_property
    def package(self) -> Package:
        """The package, every byte checked."""
        try:
            return read_package(self.folder / PACKAGE)
        except PackageError as error:
            raise AuditError(str(error)) from error

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """The run in the registry; see `k8s.audit.collect.run_record`."""
        found: Mapping[str, Any] = self.json(RUN)
        return found

    @cached_property
    def evaluation(self) -> Evaluation:
        """The model's results on the hold-out."""
        return self._model(EVALUATION, Evaluation)

    @cached_property
    def history(self) -> History:
        """The version's history in Git."""
        return self._model(HISTORY, History)

    @cached_property
    def snapshot(self) -> SnapshotRecord:
        """The state of the data's snapshot."""
        return self._model(SNAPSHOT, SnapshotRecord)

    @cached_property
    def events(self) -> tuple[Mapping[str, Any], ...]:
        """The rollout's events about this version, in the order of writing."""
        if not self.has(EVENTS):
            return ()
        lines = (self.folder / EVENTS).read_text(encoding="utf-8").splitlines()
        try:
            found = [json.loads(line) for line in lines]
        except ValueError as error:
            raise AuditError(f"{self.folder / EVENTS}: a line is not JSON: {error}") from error
        mine = tuple(event for event in found if event.get("version") == self.run["version"])
        asked = {event["evidence"].get("commit") for event in mine if event["kind"] == "commit"}
        # Another clone's rollouts may have used the same version number; the commit tells them apart.
        return mine if asked & {step.commit for step in self.history.steps} else ()

    def release(self, step: Step) -> NamedRelease:
        """The release named in the release file of a step."""
        name = release_record(step)
        return named_release((self.folder / name).read_text(encoding="utf-8"), name)

    def commit(self, commit: str) -> CommitRecord:
        """A commit, checked against its name.

        Raises:
            AuditError: the bytes do not hash to the commit's name.
        """
        content = (self.folder / commit_record(commit)).read_bytes()
        if commit_id(content, commit) != commit:
            raise AuditError(f"{self.folder / commit_record(commit)}: is not the commit that it is named after")
        head, _, message = content.decode(errors="replace").partition("\n\n")
        written = next(line for line in head.splitlines() if line.startswith("author "))
        who, when, _zone = written.removeprefix("author ").rsplit(" ", 2)
        return CommitRecord(who, int(when), message)

    def _model(self, name: str, model: type[_Model]) -> _Model:
        try:
            return model.model_validate_json((self.folder / name).read_bytes())
        except (OSError, ValidationError) as error:
            raise AuditError(f"{self.folder / name}: cannot be read: {error}") from error


def commit_record(commit: str) -> str:
    """The name of a commit's record, which holds the commit as Git stores it."""
    return f"{COMMITS}/{commit}"


def release_record(step: Step) -> str:
    """The name of the record that holds the release file after a step."""
    return f"{COMMITS}/{step.commit}.{step.environment}.yaml"


def commit_id(content: bytes, like: str) -> str:
    """The name that Git gives to a commit's bytes; the length of `like` selects SHA-1 or SHA-256."""
    made = hashlib.sha1(usedforsecurity=False) if len(like) == 40 else hashlib.sha256()
    made.update(b"commit %d\0" % len(content) + content)
    return made.hexdigest()
