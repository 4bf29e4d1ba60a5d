"""A registry of the tests' own, no login of whoever runs them, and one check of a package for all tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.image import publishing
from tests.checked_once import check_once
from tests.registry import Registry, registry


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of logins, which has none yet."""
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "CANARIO_INSECURE_REGISTRIES", "COSIGN_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder / "config.json"


@pytest.fixture(autouse=True)
def checked_once(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is checked by the first test that publishes it."""
    check_once(tmp_path_factory, monkeypatch, publishing)


@pytest.fixture
def there() -> Iterator[Registry]:
    with registry() as started:
        yield started


def log_in(file: Path, address: str, auth: str) -> None:
    file.write_text(json.dumps({"auths": {address: {"auth": auth}}}))
