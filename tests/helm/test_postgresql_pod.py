"""What PostgreSQL's pod does with a volume that held the database before."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.helm.platform_chart import objects


@pytest.mark.charts
def test_a_volume_that_comes_back_is_closed_to_its_group(tmp_path: Path) -> None:
    """Kubernetes opens it to the pod's group each time, and PostgreSQL refuses such a directory."""
    values = {"mlflow": {"enabled": True}, "stores": {"enabled": True, "size": "1Gi"}}
    pod = objects(tmp_path, values)["StatefulSet", "postgresql"]["spec"]["template"]["spec"]
    [first], database = pod["initContainers"], tmp_path / "data" / "database"
    assert pod["securityContext"]["fsGroup"]
    database.mkdir(parents=True)
    (database / "PG_VERSION").write_text("15\n")
    database.chmod(0o2770)
    script = first["args"][0].replace("/data/", f"{tmp_path}/data/")
    subprocess.run([*first["command"], script], check=True)
    assert database.stat().st_mode & 0o777 == 0o700
    assert (database / "PG_VERSION").read_text() == "15\n"
