"""Rules that Prometheus did not load are seen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from k8s.alerts.prometheus import lacking_rules
from k8s.cluster.tunnel import ClusterService
from tests.k8s.alerts.alert_way import AlertWay, reached

_PROMETHEUS = ClusterService("PROMETHEUS", "monitoring", "prometheus", 9090)


@pytest.mark.parametrize(
    ("way", "lacking"),
    [
        (AlertWay(), ""),
        (AlertWay(rules=[("node", ["DiskFull"])]), "has not loaded the rules"),
        (AlertWay(rules=[]), "has"),
    ],
    ids=["loaded", "others", "none"],
)
def test_rules_that_are_not_loaded_reach_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: AlertWay, lacking: str
) -> None:
    with reached(way, tmp_path) as path:
        monkeypatch.setenv("PATH", f"{path}:{os.environ['PATH']}")
        said = lacking_rules(_PROMETHEUS, 0)
    assert lacking in said
    assert bool(said) == bool(lacking)
    assert not said or said.startswith("alerts reach nobody: Prometheus at monitoring/prometheus:9090")
