"""Every alert rings when what it is about happens, not before its time, and not otherwise, as Prometheus evaluates it.

`promtool test rules` plays the samples; the rules are those that the charts render.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.cluster.helm import CHART
from k8s.rendering.environment_files import merged
from tests.helm import platform_chart
from tests.helm.charts import SHADOW, WATCHED, rendered

pytestmark = pytest.mark.charts

#: Label sets as a scraper writes them: a pod's own namespace wins, and what the program wrote is renamed.
_SERVED = 'service="churn",version="2",namespace="models",pod="churn-primary-a"'
_ELSEWHERE = _SERVED.replace("models", "production")
_JUDGE = 'service="churn",exported_namespace="models",namespace="canario",pod="judge-a"'
_WEIGHT = 'flagger_canary_weight{workload="churn",exported_namespace="models",namespace="flagger-system"}'
_LOADED = 'prometheus_config_last_reload_successful{pod="prometheus-a"}'
_UP = 'up{namespace="canario",pod="judge-a"}'
#: Of a pod of the gateway: the end of a certificate, as Traefik tells it.
_ENDS = 'traefik_tls_certs_not_after{pod="traefik-a",cn="",serial="1",sans="*.example.com,example.com"}'
#: The metrics of cert-manager.
_ISSUED, _RENEWED = (
    f'certmanager_certificate_{what}_timestamp_seconds{{name="gateway-tls",exported_namespace="gateway",pod="cert-manager-a"}}'
    for what in ("expiration", "renewal")
)
_WEEKS3, _WEEKS12 = 21 * 86400, 84 * 86400
#: In each minute so many, for ever (of promtool's notation: from 0 by steps).
_1000, _200, _10, _0 = "0+1000x2000", "0+200x2000", "0+10x2000", "0x2000"


@dataclass(frozen=True)
class Case:
    """`rings` with these series from minute `at`, and not yet a minute before; never with those of `quiet` instead."""

    rings: dict[str, str]
    at: int
    quiet: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)


def _of(metric: str, labels: str = _SERVED, **more: str) -> str:
    return f"{metric}{{{labels}{''.join(f',{name}={json.dumps(value)}' for name, value in more.items())}}}"


def _verdict(word: str, labels: str = _JUDGE) -> str:
    return _of("canario_judge_verdict", labels, verdict=word)


_REQUESTS, _ERRORS, _SLOW = (_of(f"canario_{what}_total") for what in ("requests", "errors", "slow"))
_DROPPED, _FAILED = _of("canario_shadow_dropped_total", candidate="3"), _of(
    "canario_shadow_failed_total", candidate="3", reason="timeout"
)  # fmt: skip
_INFO = _of("canario_model_info")
_ROWS, _ADAPTED = _of("canario_rows_total"), _of("canario_adapted_rows_total", feature="plan", rule="other")
_MATCHED, _LOST = (_of("canario_feedback_total", matched=word) for word in ("true", "false"))

MODEL_SERVICE: dict[str, list[Case]] = {
    "CallersRefused": [
        # Rates need two samples, so they begin in minute 1.
        Case(
            {_REQUESTS: _200, _of("canario_refused_total", reason="range"): _200}, 16,
            {_REQUESTS: _1000, _of("canario_refused_total", reason="range"): _200},
        ),
    ],
    "CandidateIsNotAsked": [
        Case(
            {_REQUESTS: _1000, _DROPPED: _200, _FAILED: _0}, 11,
            {_REQUESTS: _1000, _DROPPED: _10, _FAILED: _10}, SHADOW,
        ),
        Case({_REQUESTS: _1000, _FAILED: _200}, 11, {_REQUESTS: _1000, _FAILED: _10}, SHADOW),
    ],
    "ErrorBudgetBurns": [
        # 20 % fails: within a minute both short windows know. At 1 % (ten times the budget) the slow pair does.
        Case({_REQUESTS: _1000, _ERRORS: _200}, 2, {_REQUESTS: _1000, _ERRORS: "0+5x2000"}),
        Case({_REQUESTS: _1000, _ERRORS: _10}, 2, {_REQUESTS: _1000, _ERRORS: _0}),
    ],
    "FeedbackLost": [
        Case({_MATCHED: _10, _LOST: _200}, 31, {_MATCHED: _200, _LOST: _10}),
        # 1,000 a minute are labels enough, although a busy replica forgot more.
        Case({_MATCHED: _10, _LOST: _200}, 31, {_MATCHED: _1000, _LOST: "0+5000x2000"}),
    ],
    "JudgeIsSilent": [
        Case({_verdict("wait", _JUDGE.replace("models", "production")): "1x2000"}, 5, {_verdict("wait"): "1x2000"}),
        Case({}, 5, {_verdict("wait", 'service="churn",namespace="models"'): "1x2000"}),
    ],
    "LatencyObjectiveMissed": [
        Case({_REQUESTS: _1000, _SLOW: _200}, 11, {_REQUESTS: _1000, _SLOW: _10}),
    ],
    "NothingServes": [Case({_of("canario_model_info", _ELSEWHERE): "1x2000"}, 1, {_INFO: "1x2000"})],
    "PredictionLogDrops": [
        Case({_of("canario_log_dropped_total"): _10}, 6, {_of("canario_log_dropped_total"): "7x2000"}),
    ],
    "RolloutOverdue": [
        Case({_WEIGHT: "10x2000"}, 70, {_WEIGHT: "10x60 0x2000"}),
        Case({_WEIGHT.replace("exported_namespace", "of").replace("flagger-system", "models"): "10x2000"}, 70,
             {_WEIGHT.replace('"models"', '"production"'): "10x2000"}),
    ],
    "ScaledToTheLimit": [
        Case(
            {_INFO.replace("primary-a", f"primary-{number}"): "1x2000" for number in range(3)}, 15,
            {_INFO.replace("primary-a", f"primary-{number}"): "1x2000" for number in range(2)},
            {"scale": {"max": 3}},
        ),
    ],
    "ValuesUnknown": [Case({_ROWS: _1000, _ADAPTED: _200}, 31, {_ROWS: _1000, _ADAPTED: _10})],
}  # fmt: skip
CANARIO: dict[str, list[Case]] = {
    "CertificateEnds": [
        # From minute 5 less than three weeks are left, and an hour later it is told.
        Case({_ENDS: f"{_WEEKS3 + 299}x2000"}, 65, {_ENDS: f"{_WEEKS3 + 20000}x2000"}),
        # The series of a certificate that was renewed stays; a pod that did not take up the new one is seen.
        Case(
            {_ENDS: f"{_WEEKS3}x2000", _ENDS.replace("-a", "-b"): f"{_WEEKS12}x2000"}, 61,
            {_ENDS: f"{_WEEKS3}x2000", _ENDS.replace('"1"', '"2"'): f"{_WEEKS12}x2000"},
        ),
        # Nobody tells: no data is not good news, and neither is another name's certificate.
        Case({}, 60, {_ENDS: f"{_WEEKS12}x2000"}),
        Case({_ENDS.replace("example", "other"): f"{_WEEKS12}x2000"}, 60, {_ENDS: f"{_WEEKS12}x2000"}),
        # Of a day's certificate eight hours are left when it is renewed; when four are, it is told an hour later.
        Case(
            {_ENDS: "86400x2000", _ISSUED: "86400x2000", _RENEWED: "57600x2000"}, 1261,
            {_ENDS: "864000x9000", _ISSUED: "864000x9000", _RENEWED: "576000x9000"},
        ),
        Case(
            {_ENDS: f"{_WEEKS12}x2000", _ISSUED: f"{_WEEKS12 + 1}x2000"}, 60,
            {_ENDS: f"{_WEEKS12}x2000", _ISSUED: f"{_WEEKS12}x2000"},
        ),
        # A scraper that honours labels; and a certificate of another namespace says nothing.
        Case(
            {_ENDS: f"{_WEEKS12}x2000", _ISSUED.replace("exported_", ""): f"{_WEEKS12 + 1}x2000"}, 60,
            {_ENDS: f"{_WEEKS12}x2000", _ISSUED.replace('"gateway"', '"other"'): f"{_WEEKS12 + 1}x2000"},
        ),
    ],
    "JudgeDown": [
        Case({_UP: "0x2000"}, 5, {_UP: "0x2000", _UP.replace("judge-a", "judge-b"): "1x2000"}),
        Case({_UP.replace("judge-a", "mlflow-a"): "1x2000"}, 5, {_UP: "1x2000"}),
    ],
    "RolloutWaits": [
        Case({_verdict("wait"): "1x2000", _WEIGHT: "10x2000"}, 30, {_verdict("wait"): "1x2000", _WEIGHT: "0x2000"}),
        # Another environment's canary of that name is no reason.
        Case(
            {_verdict("wait"): "1x2000", _WEIGHT: "10x2000"}, 30,
            {_verdict("wait"): "1x2000", _WEIGHT.replace('"models"', '"production"'): "10x2000"},
        ),
    ],
    "RulesNotLoaded": [
        Case({_LOADED: "0x2000", _LOADED.replace("-a", "-b"): "1x2000"}, 5, {_LOADED: "0x4 1x2000"}),
    ],
    "VerdictNotActedOn": [
        Case({_verdict("fail"): "1x2000"}, 5, {_verdict("fail"): "1x4 0x2000"}),
        Case({_verdict("undecided"): "1x2000"}, 5, {_verdict("undecided"): "0x2000", _verdict("wait"): "1x2000"}),
        # The deadline passes undecided, and then harm is shown: the five minutes are not counted anew.
        Case({_verdict("undecided"): "1x2 0x2000", _verdict("fail"): "0x2 1x2000"}, 5, {_verdict("pass"): "1x2000"}),
        # A scraper that honours labels lets the judge's own namespace stand.
        Case({_verdict("fail", 'service="churn",namespace="models"'): "1x2000"}, 5, {}),
    ],
}  # fmt: skip


def _cases(alerts: dict[str, list[Case]]) -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}-{number}")
        for name, cases in alerts.items()
        for number, case in enumerate(cases)
    ]


def played(folder: Path, rules: dict[str, Any], alert: str, case: Case) -> str:
    """What promtool says of a case; empty when all is as expected."""
    (folder / "rules.json").write_text(json.dumps(rules))
    question = f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'

    def looked(at: int, *, firing: bool) -> dict[str, Any]:
        return {"expr": question, "eval_time": f"{at}m", "exp_samples": [{"value": 1}] if firing else []}

    def test(series: dict[str, str], *looks: dict[str, Any]) -> dict[str, Any]:
        told = [{"series": name, "values": values} for name, values in series.items()]
        return {"interval": "1m", "input_series": told, "promql_expr_test": list(looks)}

    ringing = test(case.rings, looked(case.at - 1, firing=False), looked(case.at, firing=True))
    silent = test(case.quiet, *(looked(at, firing=False) for at in (case.at, 2 * case.at, 3 * case.at)))
    document = {"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [ringing, silent]}
    (folder / "tests.json").write_text(json.dumps(document))
    done = subprocess.run(
        ["promtool", "test", "rules", str(folder / "tests.json")], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _rules(found: dict[tuple[str, str], dict[str, Any]], name: str) -> dict[str, Any]:
    return {"groups": found["PrometheusRule", name]["spec"]["groups"]}


@pytest.mark.parametrize(("alert", "case"), _cases(MODEL_SERVICE))
def test_an_alert_of_a_service_rings(tmp_path: Path, alert: str, case: Case) -> None:
    rules = _rules(rendered(tmp_path, merged(WATCHED, case.values)), "churn")
    assert played(tmp_path, rules, alert, case) == ""


@pytest.mark.parametrize(("alert", "case"), _cases(CANARIO))
def test_an_alert_of_the_platform_rings(tmp_path: Path, alert: str, case: Case) -> None:
    text = platform_chart.template(tmp_path, {"monitoring": {"alerts": "operator"}})
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}
    assert played(tmp_path, _rules(found, "canario"), alert, case) == ""


def test_a_rule_that_would_never_ring_is_seen(tmp_path: Path) -> None:
    rules = _rules(rendered(tmp_path, WATCHED), "churn")
    silenced = json.loads(json.dumps(rules).replace("canario_model_info", "canario_requests_total"))
    (case,) = MODEL_SERVICE["PredictionLogDrops"]
    assert played(tmp_path, silenced, "PredictionLogDrops", case) == ""
    assert "expr" in played(tmp_path, silenced, "ScaledToTheLimit", *MODEL_SERVICE["ScaledToTheLimit"])


@pytest.mark.parametrize(
    ("chart", "cases"),
    [(CHART, MODEL_SERVICE), (platform_chart.CHART, CANARIO)],
    ids=["model-service", "canario"],
)
def test_every_alert_is_made_to_ring(chart: Path, cases: dict[str, list[Case]]) -> None:
    # The Watchdog rings from the first moment: it has a test of its own.
    assert set(cases) == {path.stem for path in chart.glob("alerts/*.yaml")} - {"Watchdog"}
