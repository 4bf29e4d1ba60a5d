"""What the chart names is there: metrics, runbooks, settings, ports, documented values."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from components.spec.contract import CLASS_BIN
from k8s.cluster.helm import CHART
from k8s.rendering.schema import generated
from services.model_server.settings import PREFIX, Settings
from tests.helm.metric_names import METRICS, metrics
from tests.repo.tree import ROOT

TEXTS = {path: path.read_text() for path in CHART.rglob("*") if path.suffix in (".yaml", ".tpl", ".json", ".md")}
ALERTS = sorted(CHART.glob("alerts/*.yaml"))


def alert(path: Path) -> str:
    found = re.search(r"^alert: (\w+)$", path.read_text(), re.MULTILINE)
    assert found, path
    return found[1]


@pytest.mark.parametrize("path", sorted(TEXTS), ids=lambda path: path.name)
def test_every_metric_is_one_that_is_exported(path: Path) -> None:
    assert metrics(TEXTS[path]) - METRICS == set()


def test_a_metric_that_is_not_exported_is_seen() -> None:
    assert metrics("rate(flagger_request_total[5m])") - METRICS == {"flagger_request_total"}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    assert len(ALERTS) > 5
    assert [alert(path) for path in ALERTS] == [path.stem for path in ALERTS]
    assert {path.stem for path in CHART.glob("runbooks/*.md")} == {path.stem for path in ALERTS}


@pytest.mark.parametrize("path", sorted(CHART.glob("runbooks/*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_to_do(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n")
    parts = dict(re.findall(r"^## (\w+)\n\n(.+?)(?=\n## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(parts) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_every_variable_of_a_pod_is_a_setting_of_the_server() -> None:
    names = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", TEXTS[CHART / "templates/_variables.tpl"]))
    assert names <= {PREFIX + name.upper() for name in Settings.model_fields}
    assert f"{PREFIX}SHADOW_URL" in names


def test_the_port_is_the_one_that_the_image_listens_on() -> None:
    image = (ROOT / "services/image/server.Containerfile").read_text()
    port = re.search(r'define "model-service.port" -}}(\d+)', TEXTS[CHART / "templates/_names.tpl"])
    assert port
    assert f"EXPOSE {port[1]}\n" in image
    user = yaml.safe_load(TEXTS[CHART / "values.yaml"])["runAsUser"]
    assert re.search(rf"^USER {user}\b", image, re.MULTILINE)


def test_the_dashboard_has_a_panel_for_each_question_once() -> None:
    panels = json.loads(TEXTS[CHART / "dashboard.json"])["panels"]
    assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels) > 10
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(panels)


def test_an_answer_with_a_class_counts_once_in_the_whole() -> None:
    """It is counted in a bin in order and in that of its class; a share is of the answers, so only one may count."""
    panels = json.loads(TEXTS[CHART / "dashboard.json"])["panels"]
    _, whole = next(panel for panel in panels if panel["title"] == "Scores")["targets"][0]["expr"].split(" / ")
    assert f'bin!~"{CLASS_BIN}.*"' in whole


@pytest.mark.parametrize("path", sorted(generated()), ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path: Path) -> None:
    assert path.read_text() == generated()[path], "python -m k8s.rendering.schema --write"
