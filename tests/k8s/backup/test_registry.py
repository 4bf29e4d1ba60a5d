"""MLflow's registry on a real PostgreSQL is saved, wiped and restored: its versions are equal, and an old one loads."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.registry.contents import differences, read_contents, told
from k8s.backup.stores import Stores
from tests.k8s.backup.postgresql import BIN, PASSWORD, store_pods
from tests.made_before.versions import register_before
from tests.repo.tree import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BIN is None, reason="NOT RUN: no PostgreSQL; on Debian `apt-get install postgresql`"),
    pytest.mark.skipif(
        importlib.util.find_spec("psycopg") is None,
        reason="NOT RUN: no driver; `.venv/bin/uv pip install --target folder psycopg[binary]`, PYTHONPATH=folder",
    ),
]
#: A process of its own, as a server that starts again; writes the contents after it loaded version 1.
_READ = """
import json, sys
from components.package.model_package import read_package
from components.registry.contents import read_contents
from components.registry.model_registry import champion, local_package
from k8s.replay.comparison import answers
from tests.made_before.versions import RECORDS, digest_of
first = champion(sys.argv[1], "small")
package = read_package(local_package(first, sys.argv[1]))
assert package.digest == digest_of("1")
assert answers(package, read_package(RECORDS / "1" / "package")).agree
print(json.dumps(read_contents(sys.argv[1])))
"""


def read_anew(uri: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", _READ, uri], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    contents: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return contents


def test_a_wiped_registry_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with store_pods() as pods:
        pods.kubectl(tmp_path)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
        uri = f"postgresql+psycopg://mlflow@127.0.0.1:{pods.port}/mlflow"
        buckets = pods.data / "buckets" / "mlflow"
        register_before(uri, tmp_path, buckets.as_uri())
        before = read_contents(uri)
        assert told(before) == "1 models with 2 versions"
        stores = Stores("canario")
        stores.dump_database(tmp_path / "database")
        stores.archive_objects(tmp_path / "objects")
        pods.sql("DROP DATABASE mlflow WITH (FORCE)", "postgres")
        shutil.rmtree(buckets)
        stores.restore_database(tmp_path / "database")
        stores.restore_objects(tmp_path / "objects")
        assert differences(before, read_anew(uri)) == []
