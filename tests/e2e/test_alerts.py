"""Each alert of both charts rings on the cluster and arrives at a webhook, and silence is noticed too.

The rules are those that the charts bring, with a second in place of each minute (`hurried`). What makes each ring:

| alert | how |
| --- | --- |
| CallersRefused | really: half of what a caller sends is wrong input |
| ErrorBudgetBurns, LatencyObjectiveMissed | really: a release with faked faults answers 500, and late |
| FeedbackLost | really: labels come back that match no answer |
| ScaledToTheLimit | really: a service runs all replicas that it may have |
| NothingServes | really: its champion is scaled to nothing |
| JudgeIsSilent | really: a service that no judge was asked about |
| JudgeDown | really: the judge is scaled to nothing |
| Watchdog | really: it rings always, and ends with Prometheus |
| CandidateIsNotAsked, PredictionLogDrops | series: a candidate that loses copies and a full disk take minutes to make |
| RolloutOverdue, RolloutWaits, VerdictNotActedOn | series: a rollout that Flagger does not end takes a broken Flagger |
| ValuesUnknown | series: churn has no feature with a rule for other values |
| RulesNotLoaded | series: a wrong rule would take the others' rules away |
| CertificateEnds | series: of a certificate that ended long ago |
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from components.releases.release_file import Image
from k8s.alerts.__main__ import main as alert_test
from k8s.cluster.helm import CHART
from k8s.cluster.tunnel import ClusterService, reached
from k8s.rendering.environment_files import ClusterRelease
from tests.e2e.kube import Kube
from tests.e2e.listener import Listener, careless_caller, exporter
from tests.e2e.loaded_rules import hurried, loaded
from tests.e2e.scenario import SERVICE, deploy, image_name, package_folder, spec_with, write_platform
from tests.helm import platform_chart
from tests.helm.charts import SHADOW, rendered_text

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NAMESPACES = ("monitoring", "canario", "on-call", "watched")
#: The service that really runs, and the one of which there are only series.
_WATCHED, _PLANTED = "watched", "planted"
_ON_CALL: Final = "on-call"
_SECONDS = 180.0
#: An alert is no longer kept up by Prometheus four minutes after its last word; then comes the interval of a beat.
_DEAD_SECONDS = 480.0
_BEAT_SECONDS = 60.0
_FAULTS = {"CANARIO_FAULT_ERROR_RATIO": "0.3", "CANARIO_FAULT_SLOW_RATIO": "0.3"}
_OF: Final = f'service="{_PLANTED}",version="1"'
#: As the server, the judge, Flagger and Prometheus write them; the scraper renames a namespace that they write.
_SERIES: Final = {
    f"canario_model_info{{{_OF}}}": 1,
    f"canario_requests_total{{{_OF}}}": 100,
    f'canario_shadow_dropped_total{{{_OF},candidate="2"}}': 50,
    f"canario_log_dropped_total{{{_OF}}}": 5,
    f"canario_rows_total{{{_OF}}}": 100,
    f'canario_adapted_rows_total{{{_OF},feature="plan",rule="other"}}': 50,
    f'canario_judge_verdict{{service="{_PLANTED}",namespace="{_PLANTED}",verdict="pass"}}': 1,
    f'flagger_canary_weight{{workload="{_PLANTED}",namespace="{_PLANTED}"}}': 10,
    f'canario_judge_verdict{{service="waits",namespace="{_PLANTED}",verdict="wait"}}': 1,
    f'flagger_canary_weight{{workload="waits",namespace="{_PLANTED}"}}': 10,
    f'canario_judge_verdict{{service="stuck",namespace="{_PLANTED}",verdict="fail"}}': 1,
    "prometheus_config_last_reload_successful": 0,
    'traefik_tls_certs_not_after{cn="",serial="1",sans="*.canario.local"}': 1,
}
#: The alerts by how they are made to ring; the Watchdog beats elsewhere.
BY_SERIES: Final = {
    "CandidateIsNotAsked": _PLANTED,
    "PredictionLogDrops": _PLANTED,
    "RolloutOverdue": _PLANTED,
    "RolloutWaits": "waits",
    "VerdictNotActedOn": "stuck",
    "ValuesUnknown": _PLANTED,
    "RulesNotLoaded": None,
    "CertificateEnds": None,
}
BY_A_SERVICE: Final = (
    *("CallersRefused", "ErrorBudgetBurns", "FeedbackLost", "JudgeIsSilent", "LatencyObjectiveMissed"),
    "ScaledToTheLimit",
)
BY_ITS_END: Final = ("NothingServes", "JudgeDown")


@pytest.fixture(scope="module")
def program_image(programs: dict[str, Image]) -> str:
    """An image with Python in it."""
    return image_name(programs["judge"])


@pytest.fixture(scope="module")
def on_call(platform: None, install_platform: Callable[..., str], program_image: str) -> Iterator[Listener]:
    """Whoever is told: the platform's Alertmanager has a webhook and a dead man's switch, as long as this lasts."""
    listener = Listener(Kube(_ON_CALL), program_image)
    listener.start()
    _write_secret(people=f"{listener.url}/people", dead_man=f"{listener.url}/dead-man")
    told = ("receiver=webhook", "secret=alerts", "watchdog=true", "groupIntervalSeconds=5")
    try:
        install_platform(*(word for one in told for word in ("--set", f"alertmanager.{one}")), *_image())
        yield listener
    finally:
        install_platform()
        Kube("canario").run("delete", "secret", "alerts", "--ignore-not-found")
        Kube(_ON_CALL).run("delete", "namespace", _ON_CALL, "--wait=false")


def _write_secret(people: str, dead_man: str) -> None:
    data = {"url": people, "watchdog-url": dead_man}
    Kube("canario").apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "alerts", "namespace": "canario"},
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
        }
    )


def _image() -> list[str]:
    """The image of an Alertmanager that the cluster has already, where its nodes reach no registry."""
    found = Kube("monitoring").get("deployment", "alertmanager")
    if not found:
        return []
    repository, _, tag = found["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")
    keys = {"repository": repository, "tag": tag}
    return [word for key, text in keys.items() for word in ("--set-string", f"alertmanager.image.{key}={text}")]


@pytest.fixture(scope="module")
def watched(
    on_call: Listener, images: dict[str, Image], packages: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kube]:
    """A service in a namespace of its own, with faults, at its limit of replicas, and with a careless caller."""
    kube, folder, package = Kube(_WATCHED), tmp_path_factory.mktemp("watched"), packages["1"]
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _WATCHED}})
    release = ClusterRelease(service=SERVICE, version="1", package=package, image=images[package], settings=_FAULTS)
    write_platform(folder, route={"host": f"{_WATCHED}.canario.local"}, callers=[_ON_CALL])
    spec = spec_with(folder)
    document = yaml.safe_load(spec.read_text(encoding="utf-8"))
    spec.write_text(yaml.safe_dump({**document, "scale": {"min": 2, "max": 2}}), encoding="utf-8")
    try:
        deploy(folder, _WATCHED, spec, release)
        yield kube
    finally:
        subprocess.run(["helm", "uninstall", SERVICE, "--namespace", _WATCHED, "--ignore-not-found"], check=True)
        kube.run("delete", "namespace", _WATCHED, "--wait=false")


@pytest.fixture(scope="module")
def rules(watched: Kube, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The rules that the two releases brought, and those of the planted service, hurried, in Prometheus."""
    folder = tmp_path_factory.mktemp("rules")
    brought = [
        *Kube("canario").get("configmap", "canario-rules")["data"].items(),
        *watched.get("configmap", f"{SERVICE}-rules")["data"].items(),
    ]
    text = rendered_text(folder, {**SHADOW, "name": _PLANTED}, _PLANTED)
    canary = rendered_text(folder, {"name": _PLANTED}, _PLANTED)
    files = {name: hurried(text) for name, text in brought}
    for kind, manifests in (("shadow", text), ("canary", canary)):
        objects = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(manifests) if one}
        ((_, content),) = objects["ConfigMap", f"{_PLANTED}-rules"]["data"].items()
        files[f"{kind}-{_PLANTED}.yaml"] = hurried(content).replace(
            f"name: {_PLANTED}\n", f"name: {_PLANTED}-{kind}\n", 1
        )
    with loaded(files):
        yield


@pytest.fixture(scope="module")
def planted(rules: None, program_image: str) -> Iterator[None]:
    """Series of things that do not happen here by themselves."""
    kube = Kube(_PLANTED)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _PLANTED}})
    kube.apply(exporter(_PLANTED, program_image, _SERIES))
    yield
    kube.run("delete", "namespace", _PLANTED, "--wait=false")


@pytest.fixture(scope="module")
def called(rules: None, watched: Kube, packages: dict[str, str], program_image: str) -> None:
    """Traffic that the service refuses, and answers badly."""
    package = package_folder(packages["1"])
    url = f"http://{SERVICE}.{_WATCHED}"
    label = json.loads((package / "golden.jsonl").read_text(encoding="utf-8").splitlines()[0])["answer"]["label"]
    Kube(_ON_CALL).apply(careless_caller(_ON_CALL, program_image, url, package, label))


def arrived(listener: Listener, name: str, namespace: str, service: str | None, status: str = "firing") -> Any:
    """An alert as the receiver got it, once it did."""
    wanted = {"alertname": name, "namespace": namespace, **({"service": service} if service else {})}

    def look() -> Any:
        alerts = [alert for alert in listener.alerts() if alert["status"] == status]
        return next((alert for alert in alerts if wanted.items() <= alert["labels"].items()), None)

    return Kube(_ON_CALL).wait(f"{name} is told as {status}", look, _SECONDS)


def check_runbook(alert: dict[str, Any]) -> None:
    """A message says where the runbook is, and what it begins with."""
    path = alert["annotations"]["runbook"].removesuffix(" in the repository")
    text = (Path(__file__).parents[2] / path).read_text(encoding="utf-8")
    assert text.startswith(f"# {alert['labels']['alertname']}\n")
    assert alert["annotations"]["description"][:40] in text.replace("\n", " ")


def test_every_alert_of_both_charts_is_made_to_ring() -> None:
    there = {path.stem for chart in (CHART, platform_chart.CHART) for path in chart.glob("alerts/*.yaml")}
    assert {*BY_SERIES, *BY_A_SERVICE, *BY_ITS_END, "Watchdog"} == there


@pytest.mark.parametrize("name", BY_SERIES)
def test_an_alert_on_planted_series_arrives(planted: None, on_call: Listener, name: str) -> None:
    service = BY_SERIES[name]
    check_runbook(arrived(on_call, name, _PLANTED if service else "canario", service))


@pytest.mark.parametrize("name", BY_A_SERVICE)
def test_an_alert_of_a_real_service_arrives(called: None, on_call: Listener, name: str) -> None:
    check_runbook(arrived(on_call, name, _WATCHED, SERVICE))


def test_the_test_alert_arrives(rules: None, on_call: Listener, tmp_path: Path) -> None:
    """`make alert-test` passes and the receiver has its alert; the dead man's switch has its beats."""
    write_platform(tmp_path)
    platform = tmp_path / "k8s" / "envs" / "local" / "platform.yaml"
    setting = "alerts: {receiver: webhook, secret: alerts, watchdog: true}\n"
    platform.write_text(platform.read_text(encoding="utf-8") + setting, encoding="utf-8")
    Kube(_ON_CALL).wait("the first beat", lambda: on_call.messages("/dead-man"), _SECONDS)
    assert alert_test(["--env", "local", "--root", str(tmp_path)]) == 0
    assert "AlertTest" in {alert["labels"]["alertname"] for alert in on_call.alerts()}
    assert {alert["labels"]["alertname"] for alert in on_call.alerts("/dead-man")} == {"Watchdog"}
    assert "Watchdog" not in {alert["labels"]["alertname"] for alert in on_call.alerts()}


def test_nothing_serves_and_holds_back_what_it_causes(called: None, on_call: Listener, watched: Kube) -> None:
    """Scaled to nothing, the service is told of once; its other alerts ring on in Alertmanager, and are held back."""
    watched.run("scale", f"deployment/{SERVICE}-primary", f"deployment/{SERVICE}", "--replicas=0")
    check_runbook(arrived(on_call, "NothingServes", _WATCHED, SERVICE))
    held = [alert for alert in known() if alert["labels"].get("namespace") == _WATCHED]
    caused = {alert["labels"]["alertname"]: alert["status"]["state"] for alert in held}
    assert caused.pop("NothingServes") == "active"
    caused.pop("JudgeIsSilent", None)
    assert set(caused.values()) <= {"suppressed"}, caused


def test_a_judge_that_is_down_is_told_of_alone(rules: None, on_call: Listener) -> None:
    """The judge is told of; that it is silent about each service is not, and ends when it is back."""
    with scaled_to_nothing(Kube("canario"), "judge"):
        check_runbook(arrived(on_call, "JudgeDown", "canario", None))
        silent = [alert for alert in known() if alert["labels"]["alertname"] == "JudgeIsSilent"]
        assert silent
        assert {alert["status"]["state"] for alert in silent} == {"suppressed"}
    arrived(on_call, "JudgeDown", "canario", None, status="resolved")


def known() -> list[dict[str, Any]]:
    """The alerts that ring in Alertmanager, told or held back."""
    with reached(ClusterService("ALERTMANAGER", "canario", "alertmanager", 9093)) as address:
        return list(httpx.get(f"{address}/api/v2/alerts").raise_for_status().json())


@contextmanager
def scaled_to_nothing(kube: Kube, deployment: str) -> Iterator[None]:
    """A deployment without pods, as long as this lasts."""
    replicas = kube.get("deployment", deployment)["spec"]["replicas"]
    kube.run("scale", f"deployment/{deployment}", "--replicas=0")
    try:
        yield
    finally:
        kube.run("scale", f"deployment/{deployment}", f"--replicas={replicas}")
        kube.run("rollout", "status", f"deployment/{deployment}", "--timeout=180s")


def test_a_prometheus_that_stopped_is_noticed_by_its_silence(rules: None, on_call: Listener) -> None:
    """The dead man's switch hears beats, then none for longer than a beat and a half: nobody else says a word of it."""
    listens = Kube(_ON_CALL)

    def silent(seconds: float) -> bool:
        return on_call.silent_seconds("/dead-man", datetime.now(UTC)) > seconds

    assert not silent(1.5 * _BEAT_SECONDS)
    stopped = datetime.now(UTC)
    with scaled_to_nothing(Kube("monitoring"), "prometheus"):
        listens.wait("the beats end", lambda: silent(1.5 * _BEAT_SECONDS), _DEAD_SECONDS)
        last = on_call.messages("/dead-man")[-1]["at"] - stopped.timestamp()
        sys.stdout.write(f"the last beat came {last:.0f} s after Prometheus stopped\n")
        assert last < 5 * _BEAT_SECONDS, "Alertmanager keeps an alert up for four minutes"
        assert {alert["status"] for alert in on_call.alerts("/dead-man")} == {"firing"}, "its end is not told"
    listens.wait("the beats are back", lambda: not silent(_BEAT_SECONDS), _SECONDS)
