"""The results of a local run, for people and programs: `result.json`, `evaluation.json` and the hold-out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import StoreError
from components.files import write_atomically
from components.models.usage import EARLY_STEPS, in_order
from components.registry.package_store import kept_package
from components.store.content import Kind, Store
from pipelines.runner import StepFailure, StepRun

#: The exit status for each kind of failure.
REFUSED, BAD_INPUT, FAILED = 3, 2, 1
STATUS = {
    "GateError": (REFUSED, "refused"),
    "DataError": (BAD_INPUT, "bad-input"),
    "SpecError": (BAD_INPUT, "bad-input"),
}


@dataclass(frozen=True)
class Places:
    """The store of a run, and a folder of this machine that holds copies of its packages.

    If the store is a folder, both are the same.
    """

    store: Store
    copies: Store

    def folder(self, package: str) -> Path:
        """The folder with a package, which is copied from the store if it is not there.

        Raises:
            StoreError: the package is not in the store, or no copy can be written.
        """
        folder = self.copies.local(Kind.PACKAGE, package)
        if folder is None:
            raise StoreError(f"{self.copies.address}: is no folder of this machine, so no copy can be written there")
        if not self.copies.holds(Kind.PACKAGE, package):
            folder.parent.mkdir(parents=True, exist_ok=True)
            kept_package(self.store, package, folder)
        return folder


def exit_status(failure: StepFailure | None) -> tuple[int, str]:
    """A run's exit status, and its word in `result.json`."""
    return (0, "ok") if failure is None else STATUS.get(failure.kind, (FAILED, "failed"))


def write_outcome(home: Path, places: Places, steps: Sequence[StepRun], failure: StepFailure | None) -> dict[str, Any]:
    """Writes the files of a run that ended; returns the content of `result.json`."""
    outputs = {step.name: step.outputs for step in steps if step.succeeded}
    evaluation = _evaluation(places.store, outputs)
    if evaluation:
        write_json(home / "evaluation.json", evaluation)
    result = {
        "status": exit_status(failure)[1],
        "message": failure.message if failure else "",
        "failed_step": failure.step if failure else None,
        "run": outputs.get("ingest", {}).get("run"),
        **_model(places, outputs),
        **_data(home, places.store, outputs),
        "metrics": {name: interval["value"] for name, interval in evaluation.get("metrics", {}).items()},
        "breaches": [gate for gate in evaluation.get("gates", ()) if not gate["passed"]],
        "seconds": round(sum(step.seconds for step in steps), 2),
        "steps": {step.name: {"seconds": round(step.seconds, 2), "reused": step.reused} for step in steps},
    }
    write_json(home / "result.json", result)
    return result


def _model(places: Places, outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    registered = outputs.get("register", {})
    package = registered.get("package")
    return {
        "package": str(places.folder(package)) if package else None,
        "digest": package,
        "model_version": registered.get("version"),
        "run_id": registered.get("run_id"),
        "champion": outputs.get("ingest", {}).get("champion") or None,
        "commit": outputs.get("release", {}).get("Output") or None,
    }


def _data(home: Path, store: Store, outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    snapshot = outputs.get("ingest", {}).get("snapshot")
    holdout = outputs.get("split", {}).get("holdout")
    if holdout:
        write_atomically(home / "holdout.parquet", store.get(Kind.OBJECT, holdout))
    return {
        "snapshot": _snapshot(store, snapshot, outputs["ingest"]["rows"]) if snapshot else None,
        "holdout": str((home / "holdout.parquet").resolve()) if holdout else None,
    }


def _snapshot(store: Store, digest: str, rows: int) -> dict[str, Any]:
    return {"digest": digest, "rows": int(rows), "uri": store.uri(Kind.SNAPSHOT, digest)}


def _evaluation(store: Store, outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The content of a report: the evaluation, every trial and the importance of the features."""
    measured = outputs.get("evaluate", {})
    if not measured:
        return {}
    whole = _read(store, measured["evaluation"])
    early = {name: json.loads(outputs[name]["usage"]) for name in EARLY_STEPS}
    gated = json.loads(outputs["gate"]["Output"]) if "gate" in outputs else {}
    search = _read(store, outputs["tune"]["Output"])
    trials = [{**trial, "mean": sum(trial["scores"]) / len(trial["scores"])} for trial in search["trials"]]
    explained = _read(store, measured["importance"])
    importance = explained["features"]
    by = {"importance_metric": explained["metric"]} if "metric" in explained else {}
    usage = in_order({**early, **gated, **whole["usage"]})
    return {**whole, "usage": usage, "search": {**search, "trials": trials}, "importance": importance, **by}


def _read(store: Store, digest: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(store.get(Kind.OBJECT, digest))
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a file atomically, so that it is either whole or absent."""
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
