"""The last two steps of a run, as functions: an image in a registry, a commit, and what both used in MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.code import code_digest
from components.imaging import image
from components.models.usage import Usage
from components.registry.model_registry import connect
from components.registry.package_store import keep_package
from components.registry.step_usage import late_usage
from components.release import release
from components.store.content import Store
from components.store.reading import keep_document
from tests.components.empty_store import empty_store
from tests.components.image.server_images import server_in
from tests.components.trained_small import evaluated, small_model
from tests.git_repository import git
from tests.registry import Registry
from tests.services.model_server.served import free_port
from tests.signing_keys import write_keys
from tests.small_package import write_small_package

_OUTPUTS = ("repository", "tag", "digest", "usage")
NO_IMAGE = ("", "", "", "")


@dataclass(frozen=True)
class Steps:
    """A store with a package and its evaluation, an environment's repository, and a run in MLflow."""

    folder: Path
    package: str
    evaluation: str
    mlflow: str
    run_id: str

    @property
    def _same(self) -> dict[str, str]:
        store = str(self.folder / "store")
        return {"service": "small", "package": self.package, "store": store, "code": code_digest()}

    def image(self, registry: str, base: str) -> tuple[str, str, str, str]:
        made: tuple[str, str, str, str] = image.python_func(registry=registry, base=base, **self._same)
        return made

    def release(self, pushed: tuple[str, ...], mlflow: str = "", repository: str = "environment.git") -> str:
        named = {f"image_{key}": value for key, value in zip(_OUTPUTS, pushed, strict=True)}
        commit: str = release.python_func(
            repository=str(self.folder / repository) if repository else "",
            environment="demo",
            settings=json.dumps({"A": "1"}),
            version="1",
            evaluation=self.evaluation,
            mlflow=mlflow or self.mlflow,
            run_id=self.run_id,
            **named,
            **self._same,
        )
        return commit

    def used(self) -> dict[str, Usage]:
        return late_usage(connect(self.mlflow).get_run(self.run_id).data.metrics)

    def head(self) -> str:
        return git(self.folder / "environment.git", "rev-parse", "main")


@pytest.fixture
def steps(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Steps:
    monkeypatch.setenv("SIGNING_KEY", write_keys(tmp_path / "keys").private.read_text(encoding="utf-8"))
    git(tmp_path, "init", "--quiet", "--bare", "environment.git")
    package, store = write_small_package(tmp_path / "package"), str(tmp_path / "store")
    keep_package(package, Store(store))
    evaluation = keep_document(store, evaluated(small_model()))
    uri = empty_store(tmp_path_factory, tmp_path / "m.db")
    client: Any = connect(uri)
    run_id = client.create_run(client.create_experiment("small")).info.run_id
    return Steps(tmp_path, package.digest, evaluation, uri, run_id)


def test_what_the_last_two_steps_used_is_in_mlflow(
    steps: Steps, there: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed = steps.image(f"{there.address}/models", server_in(there.address))
    assert there.kept("models/small").tags[pushed[1]] == pushed[2]
    assert steps.release(pushed) == steps.head()
    used = steps.used()
    assert list(used) == ["image", "release"]
    assert used["image"].numbers() == Usage.model_validate_json(pushed[3]).numbers()
    assert all(each.memory_peak_mib > 50 and each.seconds > 0 for each in used.values())
    assert capsys.readouterr().err == ""


def test_an_image_alone_is_told_of_too(steps: Steps, there: Registry) -> None:
    pushed = steps.image(f"{there.address}/models", server_in(there.address))
    assert steps.release(pushed, repository="") == ""
    assert list(steps.used()) == ["image"]


def test_steps_that_have_nothing_to_do_record_nothing(steps: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    assert steps.image("", "") == NO_IMAGE
    assert steps.release(NO_IMAGE, repository="") == ""
    assert steps.used() == {}
    assert "so no image is made" in capsys.readouterr().out


def test_a_release_succeeds_while_mlflow_is_away(steps: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    """The commit is made; the log says that its use is not recorded, and why."""
    commit = steps.release(NO_IMAGE, mlflow=f"http://127.0.0.1:{free_port()}")
    assert commit == steps.head()
    assert steps.used() == {}
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("warning: what release used is not in MLflow, for run")
    assert "Connection refused" in said


def test_an_image_is_released_while_mlflow_is_away(
    steps: Steps, there: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed = steps.image(f"{there.address}/models", server_in(there.address))
    assert steps.release(pushed, mlflow=f"http://127.0.0.1:{free_port()}") == steps.head()
    assert pushed[2] in git(steps.folder / "environment.git", "show", "main:k8s/envs/demo/small.yaml")
    assert "warning: what image and release used is not in MLflow" in capsys.readouterr().err
