"""Dumps and restorations of a real PostgreSQL and of a folder of objects, by the scripts that run in their pods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from k8s.backup.stores import Stores
from k8s.errors import ClusterError
from tests.k8s.backup.postgresql import BIN, StorePods, store_pods

pytestmark = pytest.mark.skipif(BIN is None, reason="NOT RUN: no PostgreSQL; on Debian `apt-get install postgresql`")


@pytest.fixture(scope="module")
def server() -> Iterator[StorePods]:
    with store_pods() as pods:
        yield pods


@pytest.fixture
def pods(server: StorePods, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StorePods:
    """A registry with one version, and its object."""
    server.kubectl(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    server.sql(
        "DROP TABLE IF EXISTS model_versions; CREATE TABLE model_versions (name text PRIMARY KEY, version int); "
        "INSERT INTO model_versions VALUES ('churn', 1)"
    )
    put(server, "1/model.onnx", b"\x00first\xff\n")
    return server


def put(pods: StorePods, name: str, content: bytes) -> None:
    file = pods.data / "buckets" / "mlflow" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def objects(pods: StorePods) -> dict[str, bytes]:
    root = pods.data / "buckets"
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def versions(pods: StorePods) -> list[str]:
    return pods.sql("SELECT name, version FROM model_versions ORDER BY name, version")


def backed_up(folder: Path) -> tuple[Path, Path]:
    stores = Stores("canario")
    stores.dump_database(folder / "database.dump")
    stores.archive_objects(folder / "objects.tar.gz")
    return folder / "database.dump", folder / "objects.tar.gz"


def test_what_was_wiped_comes_back(pods: StorePods, tmp_path: Path) -> None:
    dump, archive = backed_up(tmp_path)
    pods.sql("DROP DATABASE mlflow WITH (FORCE)", "postgres")
    for file in (pods.data / "buckets").rglob("*.onnx"):
        file.unlink()
    Stores("canario").restore_database(dump)
    Stores("canario").restore_objects(archive)
    assert versions(pods) == ["churn|1"]
    assert objects(pods) == {"mlflow/1/model.onnx": b"\x00first\xff\n"}
    assert (tmp_path / "restarted").exists(), "the object store remembers what it listed"


def test_what_came_later_is_gone_and_kept_aside(pods: StorePods, tmp_path: Path) -> None:
    dump, archive = backed_up(tmp_path)
    for again in range(2):
        pods.sql(f"INSERT INTO model_versions VALUES ('later', {again})")
        put(pods, "2/model.onnx", b"second")
        Stores("canario").restore_database(dump)
        Stores("canario").restore_objects(archive)
        assert versions(pods) == ["churn|1"]
        assert list(objects(pods)) == ["mlflow/1/model.onnx"]
        aside = pods.sql("SELECT version FROM model_versions WHERE name = 'later'", "mlflow_before")
        assert aside == [str(again)]
        assert (pods.data / "before" / "mlflow" / "2" / "model.onnx").read_bytes() == b"second"


def test_a_broken_backup_changes_nothing(pods: StorePods, tmp_path: Path) -> None:
    """A dump or an archive that ends too early is refused, and what is there stays."""
    dump, archive = backed_up(tmp_path)
    for file in (dump, archive):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ClusterError, match="canario/postgresql-0: pg_restore: error"):
        Stores("canario").restore_database(dump)
    with pytest.raises(ClusterError, match=r"canario/object-store-0: .*unexpected end of file"):
        Stores("canario").restore_objects(archive)
    assert versions(pods) == ["churn|1"]
    assert list(objects(pods)) == ["mlflow/1/model.onnx"]
    assert not (tmp_path / "restarted").exists()


def test_a_session_that_is_left_open_does_not_hold_it_up(pods: StorePods, tmp_path: Path) -> None:
    dump, _ = backed_up(tmp_path)
    assert pods.sql("SELECT 1") == ["1"]
    Stores("canario").restore_database(dump)
    assert versions(pods) == ["churn|1"]


def test_the_password_is_in_no_command(pods: StorePods, tmp_path: Path) -> None:
    """The API server's audit log keeps the commands of `kubectl exec`."""
    backed_up(tmp_path)
    assert "ecret" not in (tmp_path / "told").read_text().replace("get secret", "")
