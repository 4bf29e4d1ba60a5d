"""A version with every record that a dossier tells of: trained, registered, released, merged, judged and reverted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.digest import sha256
from components.evaluation.explanation import draw_figures, explain_model
from components.evaluation.gates import check_gates
from components.evaluation.result import Evaluation
from components.ingest import take_snapshot
from components.models.machine import this_machine
from components.models.trials import Search, Trial
from components.models.usage import Usage
from components.package.model_package import Package, read_package
from components.register import DataOrigin, register_package
from components.registry.package_store import keep_package
from components.registry.packaging import Origin, package_model
from components.registry.step_usage import add_usage
from components.registry.tracking import RunRecord
from components.releases.release_file import Release, release_file, release_text
from components.store.content import Kind, Store
from k8s.audit.collect import RecordSources
from k8s.twin.events import Events
from tests.components.empty_store import empty_store
from tests.components.small_table import csv_of, small_frame, small_spec
from tests.components.trained_small import evaluated, small_model, small_sides, trained
from tests.git_repository import commit_all, git

BOB = ("Bob", "bob@example.org")
SPEC = small_spec(
    description="Will a member leave?",
    purpose="Ranks members for a call.",
    owner="the members' desk",
    gates={
        "roc_auc": {"min": 0.5},
        "fairness": {"by": ["senior"], "min_group_positives": 5, "max_equal_opportunity_gap": 0.9},
    },
)


@dataclass(frozen=True)
class Known:
    places: RecordSources
    package: Package
    commits: dict[str, str]


def make(factory: pytest.TempPathFactory, home: Path, code: str = "c" * 40, lock: bytes = b"numpy==2\n") -> Known:
    """Version 1 of `small`: released to staging by Ann, merged to production by Bob, and reverted there."""
    build = home / "build"
    (home / "small.csv").write_bytes(csv_of(small_frame(600)))
    snapshot = take_snapshot(str(home / "small.csv"), SPEC)
    store = Store(str(build / "store"))
    uri = store.uri(Kind.SNAPSHOT, store.put(Kind.SNAPSHOT, snapshot.content))
    evaluation = _evaluated()
    origin = Origin(run="small-1", snapshot=snapshot.digest, code=code, lock=sha256(lock))
    made = small_model()
    draft = package_model(made.model, made.fit, evaluation, small_sides().holdout, SPEC, origin, home / "draft")
    keep_package(draft, store)
    package = read_package(build / "store" / "packages" / draft.digest.removeprefix("sha256:"))
    empty_store(factory, build / "mlflow" / "mlflow.db")
    _register(
        build, home, evaluation, package, DataOrigin(uri, snapshot.source_digest, "600 rows, 0.0% copies.\n\n- a note")
    )
    commits = _release(home / "environments", package.digest)
    places = RecordSources(
        build, f"sqlite:///{build / 'mlflow' / 'mlflow.db'}", home / "environments", build / "twin" / "events.jsonl"
    )
    _roll_out(places.events, commits["production"], package.digest)
    return Known(places, package, commits)


def _evaluated() -> Evaluation:
    found = evaluated(small_model(), SPEC)
    return found.model_copy(update={"gates": check_gates(found, SPEC), "machine": this_machine()})


def _register(build: Path, home: Path, evaluation: Evaluation, package: Package, source: DataOrigin) -> None:
    figures = home / "figures"
    figures.mkdir()
    draw_figures(explain_model(trained(small_model()), small_sides().holdout, SPEC), evaluation, figures)
    trial = Trial(number=0, candidate="logistic_regression", parameters={"C": 1.0}, scores=(0.7, 0.8), seconds=1.0)
    search = Search(metric="roc_auc", rows=100, planned=1, trials=(trial,))
    record = RunRecord("small", "small-1", evaluation, search, figures)
    uri = f"sqlite:///{build / 'mlflow' / 'mlflow.db'}"
    version = register_package(uri, record, package.path, source)
    used = {
        "accelerator": "cpu",
        "count": 0,
        "devices": {},
        "memory_peak_mib": 321.0,
        "cpu_seconds": 2.0,
        "seconds": 3.0,
    }
    add_usage(uri, version.run_id, {"image": Usage.model_validate(used)})


def _release(folder: Path, package: str) -> dict[str, str]:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "begin")
    staging = _commit(folder, "staging", package, "small: release version 1 to staging")
    git(folder, "checkout", "-q", "-b", "promote")
    production = _commit(folder, "production", package, "small: promote version 1")
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge the promotion", "promote", who=BOB)
    merge = git(folder, "rev-parse", "HEAD")
    git(folder, "rm", "-q", release_file("production", "small"))
    why = f'Revert "small: promote version 1"\n\nThis reverts commit {production}.\n\nMore requests ended in an error.'
    git(folder, "commit", "-q", "-m", why, who=("canario", "canario@localhost"))
    return {"staging": staging, "production": production, "merge": merge, "revert": git(folder, "rev-parse", "HEAD")}


def _commit(folder: Path, environment: str, package: str, message: str) -> str:
    file = folder / release_file(environment, "small")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(release_text(Release(service="small", version="1", package=package)), encoding="utf-8")
    return commit_all(folder, message)


def _roll_out(path: Path, commit: str, package: str) -> None:
    events = Events(path)
    events.emit("commit", version="1", reason="small: promote version 1", evidence={"commit": commit})
    for _ in range(3):
        events.emit("decision", version="1", weight=10, verdict="wait", reason="too little is known")
    events.emit("decision", version="1", weight=10, verdict="fail", reason="More requests ended in an error.")
    events.emit("phase", version="1", phase="Failed", evidence={"package": package})
    events.emit("died", version="2", reason="of another version")


def write_replay(known: Known, verdict: str) -> None:
    path = known.places.build / "replay" / "small-1.json"
    path.parent.mkdir(exist_ok=True)
    found = {"package": known.package.digest, "verdict": verdict, "causes": ["threads 8 instead of 2"]}
    path.write_text(json.dumps({**found, "furthest": 1e-8, "tolerance": 1e-6}))
