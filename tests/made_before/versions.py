"""Versions that commit 96f05a9 made, registered in a new MLflow as that commit did.

`records` has what that commit left, with `{home}` for the folder in which it worked; no test writes any of it:

- `service.yaml`: the spec of `small`. `1` and `2`: its versions, of 600 and 700 rows; 2 was compared with champion 1.
  `version.json` is what MLflow was told; `package`, `evaluation.json` and `validation.md` are its run's artifacts
  (three pictures are left out). `snapshot.parquet` was in the store, `result.json` in the folder of `make train`.
- beside 2: what `make sign` wrote with the key of `public-key.txt`, the record of `make image` by buildah with the
  digest that the registry gave, and the release that `make request` made of it.
- `demo`: of `make demo`, releases 2 and 3 of `churn`, the message that reverted 3, and the twin's record of both
  (without the looks of the judge that decided nothing).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from components.package.model_package import Package, read_package
from components.registry.model_registry import connect
from components.store.content import Kind, Store
from tests.components.empty_store import empty_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

RECORDS: Final = Path(__file__).with_name("records")
SPEC: Final = RECORDS / "service.yaml"
#: The commit that made them.
COMMIT: Final = "96f05a92d5e28b07baf540e6390c487ccdc56b18"
VERSIONS: Final = ("1", "2")


@dataclass(frozen=True)
class MadeBefore:
    """A clone's `build` as that commit left it, after the training of version 2."""

    root: Path

    @property
    def build(self) -> Path:
        """The folder of every record."""
        return self.root / "build"

    @property
    def mlflow(self) -> str:
        """The registry's URI."""
        return f"sqlite:///{self.build / 'mlflow' / 'mlflow.db'}"

    @property
    def store(self) -> Store:
        """The snapshots and packages."""
        return Store(str(self.build / "store"))

    def package(self, version: str) -> Package:
        """A version's package in the store."""
        return read_package(Path(self.store.uri(Kind.PACKAGE, digest_of(version))))


def told(version: str) -> dict[str, Any]:
    """What MLflow was told about a version."""
    document: dict[str, Any] = json.loads((RECORDS / version / "version.json").read_text(encoding="utf-8"))
    return document


def digest_of(version: str) -> str:
    """The digest of a version's package."""
    return str(told(version)["tags"]["canario.package"])


def made_before(factory: pytest.TempPathFactory, root: Path) -> MadeBefore:
    """Lays everything out in an empty folder."""
    made = MadeBefore(root)
    for version in VERSIONS:
        digest, snapshot = digest_of(version), told(version)["tags"]["canario.snapshot"]
        shutil.copytree(RECORDS / version / "package", made.store.uri(Kind.PACKAGE, digest))
        _copy(RECORDS / version / "snapshot.parquet", Path(made.store.uri(Kind.SNAPSHOT, snapshot)))
    for paper in ("sigstore.json", "cdx.json"):
        beside = Path(f"{made.store.uri(Kind.PACKAGE, digest_of('2'))}.{paper}")
        _copy(RECORDS / "2" / f"package.{paper}", beside)
    _copy(RECORDS / "2" / "image.json", made.build / "images" / "small.json")
    result = made.build / "train" / "small" / "result.json"
    result.parent.mkdir(parents=True)
    result.write_text(_here((RECORDS / "2" / "result.json").read_text(encoding="utf-8"), root), encoding="utf-8")
    empty_store(factory, made.build / "mlflow" / "mlflow.db")
    register_before(made.mlflow, root, (made.build / "mlflow" / "artifacts" / "small").as_uri())
    return made


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _here(text: str, root: Path) -> str:
    return text.replace("{home}", str(root))


def register_before(uri: str, root: Path, place: str | None = None) -> None:
    """As `components/register.py` and `components/tracking.py` of that commit did, with MLflow's own client.

    Args:
        uri: an MLflow that knows none of it yet.
        root: the folder in which that commit is said to have worked.
        place: where artifacts are kept; None for the server's own.
    """
    client = connect(uri)
    experiment = client.create_experiment("small", place)
    client.create_registered_model("small")
    for version in VERSIONS:
        document = json.loads(_here(json.dumps(told(version)), root))
        run = _run(client, experiment, document["run"], parent=None)
        for trial in document["trials"]:
            _run(client, experiment, trial, parent=run)
        client.log_artifacts(run, str(RECORDS / version / "package"), "package")
        for name in ("evaluation.json", "validation.md"):
            client.log_artifact(run, str(RECORDS / version / name))
        source = f"{client.get_run(run).info.artifact_uri}/package"
        client.create_model_version("small", source, run, tags=document["tags"])
        client.set_registered_model_alias("small", "challenger", version)
    client.set_registered_model_alias("small", "champion", "1")


def _run(client: MlflowClient, experiment: str, document: dict[str, Any], parent: str | None) -> str:
    from mlflow.entities import Metric, Param

    tags = {**document["tags"], **({"mlflow.parentRunId": parent} if parent else {})}
    run = str(client.create_run(experiment, run_name=document["name"], tags=tags).info.run_id)
    metrics = [Metric(name, value, 0, 0) for name, value in document["metrics"].items()]
    client.log_batch(run, metrics=metrics, params=[Param(*one) for one in document["params"].items()])
    client.set_terminated(run, "FINISHED")
    return run
