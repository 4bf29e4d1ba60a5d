"""What MLflow's pod does with the tables of an earlier MLflow before it serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helm.platform_chart import objects

#: The tables of a few versions before; MLflow numbers them by alembic's revisions.
_EARLIER = """
import sys
from alembic import command
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base
url = sys.argv[1]
engine = utils.create_sqlalchemy_engine_with_retry(url)
Base.metadata.create_all(engine)
command.upgrade(utils._get_alembic_config(url), "75868b020152")
"""
_AS_A_SERVER_LOOKS = """
import sys
from mlflow.store.db import utils
utils._verify_schema(utils.create_sqlalchemy_engine_with_retry(sys.argv[1]))
"""


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.charts
@pytest.mark.parametrize("earlier", [True, False])
def test_tables_are_brought_to_this_mlflow_before_it_serves(tmp_path: Path, earlier: bool) -> None:
    """The pod's first container makes MLflow's tables, or brings those of an earlier MLflow to what it wants."""
    pod = objects(tmp_path, {"mlflow": {"enabled": True}})["Deployment", "mlflow"]["spec"]["template"]["spec"]
    [first], [server] = pod["initContainers"], pod["containers"]
    assert (first["image"], first["envFrom"]) == (server["image"], server["envFrom"])
    url = f"sqlite:///{tmp_path / 'mlflow.db'}"
    if earlier:
        made = _python("-c", _EARLIER, url)
        assert made.returncode == 0, made.stderr
        assert "out-of-date database schema" in _python("-c", _AS_A_SERVER_LOOKS, url).stderr
    program, *arguments = (each.replace("$(MLFLOW_BACKEND_STORE_URI)", url) for each in first["args"])
    done = _python("-m", program, *arguments)
    assert done.returncode == 0, done.stderr
    assert _python("-c", _AS_A_SERVER_LOOKS, url).returncode == 0
