"""The chart model-service as it renders: valid, the same each time, and closed against what makes no sense."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from starlette.routing import Route

from components.spec.contract import Rollout
from components.spec.reading.loading import load_spec
from k8s.cluster.helm import CHART
from k8s.twin.rollout import weight_steps
from services import telemetry
from services.judge.server import build_app
from services.model_server.settings import read_settings
from tests.helm.charts import (
    DIGEST,
    KEDA,
    OTHER_DIGEST,
    SCENARIOS,
    SHADOW,
    VALUES,
    WATCHED,
    Refused,
    helm,
    invalid,
    rendered,
    rendered_text,
    spec_values,
    values_file,
)
from tests.repo.tree import ROOT, files
from tests.signing_keys import write_keys

if TYPE_CHECKING:
    from services.judge.actions.consequences import Consequences
    from services.judge.judge import Judge

pytestmark = pytest.mark.charts

SPECS = [path for path in files("service.yaml") if path.parts[0] == "services"]


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    return dict(deployment["spec"]["template"]["spec"])


def environment(deployment: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod(deployment)["containers"][0]["env"]}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_is_linted_and_valid(tmp_path: Path, scenario: str) -> None:
    helm("lint", "--strict", str(CHART), "-f", str(values_file(tmp_path, SCENARIOS[scenario])))
    assert invalid(rendered_text(tmp_path, SCENARIOS[scenario])) == []


def test_rendering_twice_gives_the_same(tmp_path: Path) -> None:
    for differences in SCENARIOS.values():
        assert rendered_text(tmp_path, differences) == rendered_text(tmp_path, differences)


def test_an_object_that_is_wrong_is_seen(tmp_path: Path) -> None:
    text = rendered_text(tmp_path, {})
    assert len(invalid(text.replace("stepWeights:", "stepWeihgts:"))) == 1
    assert len(invalid(text.replace("minReplicas:", "minReplica:"))) == 1
    assert len(invalid(text.replace("kind: Canary", "kind: Canarys"))) == 1


@pytest.mark.parametrize("path", SPECS, ids=str)
def test_every_service_in_the_tree_renders(tmp_path: Path, path: Path) -> None:
    assert invalid(rendered_text(tmp_path, spec_values(load_spec(ROOT / path)))) == []


@pytest.mark.parametrize(
    ("differences", "sentence"),
    [
        ({"route": {"host": ""}}, "rollout: strategy canary needs a route"),
        ({"scale": {"min": 4, "max": 3}}, "scale: min 4 is above max 3"),
        ({"scale": {"min": 1, "max": 3}}, "scale: min 1 with strategy canary would leave callers without a replica"),
        ({"rollout": {"step_weight": 60}}, "rollout: step_weight 60 is above max_weight 50"),
        ({"gpus": 1}, "gpus: 1 GPUs need a node pool"),
        ({"settings": {"CANARIO_FAULT_ERROR_RATIO": "0.05"}}, "settings: CANARIO_FAULT_ERROR_RATIO fakes a fault"),
        ({"autoscaler": "keda"}, "autoscaler: keda counts requests in Prometheus; set keda.prometheus"),
        ({"candidate": SHADOW["candidate"]}, "candidate: strategy canary has no candidate"),
        (
            {**SHADOW, "rollout": {"strategy": "shadow-then-canary"}},
            "candidate: strategy shadow-then-canary has no candidate",
        ),
        (
            {"rollout": {"strategy": "shadow-then-canary", "harm": {"score_shift": None, "label_loss": None}}},
            "rollout: strategy shadow-then-canary judges scores and labels in the shadow; give harm.score_shift",
        ),
        ({"image": {"tag": ""}}, "image: registry.local/canario/churn needs a tag or a digest"),
        ({"image": {"tag": "latest"}}, "image: tag latest names no image in particular"),
        ({"enabled": False}, "enabled: false is for the condition of a parent chart, and no condition asked for it"),
        ({"podAnnotations": {"canario/package": DIGEST}}, "podAnnotations: canario/package is the chart's to set"),
        ({"podAnnotations": {"prometheus.io/port": "1"}}, "podAnnotations: prometheus.io/port is the chart's to set"),
        ({"podLabels": {"app": "shop"}}, "podLabels: app is the chart's to set"),
        ({"podLabels": {"app.kubernetes.io/instance": "b"}}, "podLabels: app.kubernetes.io/instance is the chart's"),
        ({"nodeSelector": {"canario/pool": "gpu"}}, "nodeSelector: canario/pool is set by pool"),
        ({"envFrom": [{"prefix": "A_"}]}, "envFrom: each entry names either a configMapRef or a secretRef"),
        (
            {"envFrom": [{"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}}]},
            "envFrom: each entry names either a configMapRef or a secretRef",
        ),
        (
            {"envFrom": [{"configMapRef": {"name": "a"}, "prefix": "CANARIO_FAULT_"}]},
            "envFrom: prefix CANARIO_FAULT_ is that of the server's settings",
        ),
    ],
)
def test_a_rule_between_two_keys_is_refused_in_a_sentence(
    tmp_path: Path, differences: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence):
        rendered_text(tmp_path, differences)


@pytest.mark.parametrize(
    "differences",
    [
        {"gpus": 1, "pool": "gpu"},
        {"settings": {"CANARIO_FAULT_ERROR_RATIO": "0.05"}, "faults": "allowed"},
        {"scale": {"min": 3, "max": 3}},
        {"scale": {"min": 1, "max": 1}, "rollout": {"strategy": "basic"}},
        {"rollout": {"step_weight": 50}},
        {"image": {"tag": "latest", "digest": VALUES["package"]}},
    ],
)
def test_what_lies_just_inside_a_rule_is_taken(tmp_path: Path, differences: dict[str, Any]) -> None:
    assert rendered(tmp_path, differences)


@pytest.mark.parametrize(
    ("differences", "place"),
    [
        ({"replicas": 3}, "replicas"),
        ({"scale": {"minimum": 3}}, "/scale"),
        ({"rollout": {"strategy": "bluegreen"}}, "/rollout/strategy"),
        ({"package": "sha256:12"}, "/package"),
        ({"route": {"host": "Churn_"}}, "/route/host"),
        ({"scale": {"cpu_percent": 0}}, "/scale/cpu_percent"),
        ({"signing": {"publicKey": "key.pem"}}, "/signing/publicKey"),
        ({"signing": {"key": ""}}, "/signing"),
        ({"affinity": {"nodeAfinity": {}}}, "/affinity"),
        ({"tolerations": [{"effect": "Never"}]}, "/tolerations/0/effect"),
        ({"podLabels": {"team": "a b"}}, "/podLabels/team"),
    ],
)
def test_one_key_that_is_wrong_is_named_by_the_schema(tmp_path: Path, differences: dict[str, Any], place: str) -> None:
    with pytest.raises(Refused, match=place):
        rendered_text(tmp_path, differences)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_either_an_autoscaler_or_replicas(tmp_path: Path, scenario: str) -> None:
    objects = rendered(tmp_path, SCENARIOS[scenario])
    for (kind, name), deployment in objects.items():
        if kind == "Deployment":
            scalers = [k for k in ("HorizontalPodAutoscaler", "ScaledObject") if (k, name) in objects]
            assert len(scalers) + ("replicas" in deployment["spec"]) == 1


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_pod_is_restricted_and_has_no_token(tmp_path: Path, scenario: str) -> None:
    """What restricted Pod Security asks; the server itself is asked in the tests of a cluster."""
    objects = rendered(tmp_path, SCENARIOS[scenario])
    specs = [
        pod(one) if kind == "Deployment" else one["spec"]
        for (kind, _), one in objects.items()
        if kind in ("Deployment", "Pod")
    ]
    assert specs
    for spec in specs:
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_pod_carries_the_receipt_of_its_own_package(tmp_path: Path, scenario: str) -> None:
    objects = rendered(tmp_path, SCENARIOS[scenario])
    receipts = {
        name: (one["spec"]["template"] if kind == "Deployment" else one)["metadata"]["annotations"]["canario/package"]
        for (kind, name), one in objects.items()
        if kind in ("Deployment", "Pod")
    }
    shadow = {"churn-shadow": OTHER_DIGEST} if "candidate" in SCENARIOS[scenario] else {}
    assert receipts == {"churn": DIGEST, "churn-answers": DIGEST, **shadow}


def test_no_setting_takes_the_place_of_the_signing_key(tmp_path: Path) -> None:
    """Signatures are asked for where a key is set, and no setting takes the key's place."""

    def keys(differences: dict[str, Any]) -> list[str]:
        env = pod(rendered(tmp_path, differences)["Deployment", "churn"])["containers"][0]["env"]
        return [one["value"] for one in env if one["name"] == "CANARIO_PUBLIC_KEY"]

    key = write_keys(tmp_path).public
    assert keys({}) == []
    assert keys({"signing": {"publicKey": key}}) == [key]
    # Kubernetes takes the last of two.
    other = {"settings": {"CANARIO_PUBLIC_KEY": "another"}}
    assert keys({"signing": {"publicKey": key}, **other})[-1] == key


def test_a_registry_with_a_login_gets_the_pods_secret(tmp_path: Path) -> None:
    """The pods have the secret, and so has their account, for pods that others make with it."""
    secrets = [{"name": "registry"}]
    with_login, without = (rendered(tmp_path, one) for one in ({"imagePullSecrets": secrets}, {}))
    assert pod(with_login["Deployment", "churn"])["imagePullSecrets"] == secrets
    assert with_login["ServiceAccount", "churn"]["imagePullSecrets"] == secrets
    assert with_login["Pod", "churn-answers"]["spec"]["imagePullSecrets"] == secrets
    assert "imagePullSecrets" not in {**pod(without["Deployment", "churn"]), **without["ServiceAccount", "churn"]}


@pytest.mark.parametrize("mib", [16, 1024])
def test_a_replicas_log_fits_into_its_volume(tmp_path: Path, mib: int) -> None:
    """A replica keeps its log in a volume, and the log's files fit into it."""
    deployment = rendered(tmp_path, {"predictionLog": {"mib": mib}})["Deployment", "churn"]
    spec = pod(deployment)
    settings = read_settings({**environment(deployment), "CANARIO_PACKAGE": "/package"})
    (place,) = (one["mountPath"] for one in spec["containers"][0]["volumeMounts"] if one["name"] == "log")
    (volume,) = (one["emptyDir"] for one in spec["volumes"] if one["name"] == "log")
    assert str(settings.log_dir) == place
    two_logs = 2 * settings.log_files * settings.log_file_mib
    assert two_logs == mib
    assert int(volume["sizeLimit"].removesuffix("Mi")) >= 2 * two_logs


def test_a_replica_need_not_keep_a_log(tmp_path: Path) -> None:
    deployment = rendered(tmp_path, {"predictionLog": {"mib": 0}})["Deployment", "churn"]
    assert "log" not in [one["name"] for one in pod(deployment)["volumes"]]
    assert "CANARIO_LOG_DIR" not in environment(deployment)


def test_a_pod_ends_later_than_its_longest_request(tmp_path: Path) -> None:
    spec = pod(rendered(tmp_path, {"requestSeconds": 40})["Deployment", "churn"])
    before = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert (before, spec["terminationGracePeriodSeconds"]) == (5, 50)


def test_the_start_may_take_as_long_as_loading_does(tmp_path: Path) -> None:
    objects = rendered(tmp_path, {"startupSeconds": 200})
    probe = pod(objects["Deployment", "churn"])["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 200
    assert objects["Deployment", "churn"]["spec"]["progressDeadlineSeconds"] > 200
    assert objects["Canary", "churn"]["spec"]["progressDeadlineSeconds"] > 200


def test_a_canary_has_no_route_or_service_of_the_chart(tmp_path: Path) -> None:
    """Flagger makes and owns them; two owners would fight."""
    objects = rendered(tmp_path, {})
    assert [key for key in objects if key[0] in ("HTTPRoute", "Service")] == [("Service", "churn-peers")]
    basic = rendered(tmp_path, {"rollout": {"strategy": "basic"}})
    assert {("HTTPRoute", "churn"), ("Service", "churn")} <= set(basic)
    assert ("Canary", "churn") not in basic


@pytest.mark.parametrize("strategy", ["basic", "canary"])
@pytest.mark.parametrize("listener", ["websecure", ""])
def test_a_route_attaches_to_the_listener_it_is_told(tmp_path: Path, strategy: str, listener: str) -> None:
    """The chart's own route and the one that Flagger writes; without a listener they attach to each."""
    route = {"host": "churn.canario.local", "gateway": {"listener": listener}}
    objects = rendered(tmp_path, {"rollout": {"strategy": strategy}, "route": route})
    kind, name = ("HTTPRoute", "churn") if strategy == "basic" else ("Canary", "churn")
    spec = objects[kind, name]["spec"]
    (parent,) = spec["parentRefs"] if strategy == "basic" else spec["service"]["gatewayRefs"]
    assert parent == {"name": "public", "namespace": "gateway"} | ({"sectionName": listener} if listener else {})


def test_the_canary_asks_the_judge_only_what_it_answers(tmp_path: Path) -> None:
    hooks = rendered(tmp_path, {})["Canary", "churn"]["spec"]["analysis"]["webhooks"]
    app = build_app(cast("Judge", None), cast("Consequences", object()))
    known = {route.path for route in app.routes if isinstance(route, Route) and "POST" in (route.methods or ())}
    assert {hook["url"].removeprefix("http://judge.canario") for hook in hooks} <= known
    assert {"rollback", "confirm-traffic-increase", "confirm-promotion", "event"} <= {hook["type"] for hook in hooks}


@pytest.mark.parametrize("harm", [{}, {"score_shift": None, "label_loss": None}, {"slow_ratio": 0.5}])
def test_the_judge_is_told_the_rollout_of_the_spec(tmp_path: Path, harm: dict[str, float | None]) -> None:
    """Also where a signal is not to be judged: Helm forgets what is null."""
    spec = load_spec(ROOT / "services/churn/service.yaml")
    rollout = Rollout.model_validate({**spec.rollout.model_dump(), "harm": {**spec.rollout.harm.model_dump(), **harm}})
    values = spec_values(spec.model_copy(update={"rollout": rollout}))
    hooks = rendered(tmp_path, values)["Canary", "churn"]["spec"]["analysis"]["webhooks"]
    for hook in hooks:
        assert Rollout.model_validate_json(hook["metadata"]["rollout"]) == rollout


@pytest.mark.parametrize(("step", "most"), [(10, 50), (25, 60), (50, 50), (1, 3), (30, 100)])
def test_the_canary_steps_as_the_twin_does(tmp_path: Path, step: int, most: int) -> None:
    differences = {"rollout": {"step_weight": step, "max_weight": most}}
    spec = load_spec(ROOT / "services/churn/service.yaml").rollout
    expected = weight_steps(spec.model_copy(update={"step_weight": step, "max_weight": most}))
    assert rendered(tmp_path, differences)["Canary", "churn"]["spec"]["analysis"]["stepWeights"] == expected


@pytest.mark.parametrize(
    ("interval", "deadline", "shown", "looks"),
    [(30, 60, "30s", 120), (2, 1, "10s", 6), (10.5, 1, "11s", 6), (60, 0.1, "60s", 1)],
)
def test_the_looks_without_a_judge_fill_the_deadline(
    tmp_path: Path, interval: float, deadline: float, shown: str, looks: int
) -> None:
    rollout = {"interval_seconds": interval, "deadline_minutes": deadline}
    analysis = rendered(tmp_path, {"rollout": rollout})["Canary", "churn"]["spec"]["analysis"]
    assert (analysis["interval"], analysis["threshold"]) == (shown, looks)


def test_a_candidate_is_asked_by_the_champion_and_by_nobody_else(tmp_path: Path) -> None:
    objects = rendered(tmp_path, {**SHADOW, "rollout": {"strategy": "shadow", "shadow": {"ratio": 0.5}}})
    champion = environment(objects["Deployment", "churn"])
    candidate = environment(objects["Deployment", "churn-shadow"])
    assert champion["CANARIO_SHADOW_URL"] == "http://churn-shadow/predict"
    assert champion["CANARIO_SHADOW_RATIO"] == "0.5"
    assert (champion["CANARIO_VERSION"], candidate["CANARIO_VERSION"]) == ("1", "2")
    # Only the candidate believes that a request is a copy.
    assert [name for name in candidate if name.startswith("CANARIO_SHADOW")] == ["CANARIO_SHADOW_CANDIDATE"]
    assert candidate["CANARIO_SHADOW_CANDIDATE"] == "true"
    assert "CANARIO_SHADOW_CANDIDATE" not in champion
    backends = objects["HTTPRoute", "churn"]["spec"]["rules"][0]["backendRefs"]
    assert [one["name"] for one in backends] == ["churn"]


def test_before_its_first_weight_a_canary_gets_copies(tmp_path: Path) -> None:
    """Every version sends copies to the canary's Service, at a path that no route leads to; the rest is a canary's."""
    shadow = {"ratio": 0.5, "slices": ["contract"]}
    rollout = {"strategy": "shadow-then-canary", "label_maturity_minutes": 2, "shadow": shadow}
    objects, plain = rendered(tmp_path, {"rollout": rollout}), rendered(tmp_path, {})
    assert set(objects) == set(plain)
    settings = environment(objects["Deployment", "churn"])
    assert {name: value for name, value in settings.items() if name.startswith("CANARIO_SHADOW")} == {
        # Flagger's pkg/router/kubernetes_default.go makes this Service, on the canary's port.
        "CANARIO_SHADOW_URL": "http://churn-canary/shadow",
        "CANARIO_SHADOW_FIRST": "true",
        "CANARIO_SHADOW_RATIO": "0.5",
        "CANARIO_SHADOW_SCORE_DIFFERENCE": "0.05",
        "CANARIO_SHADOW_SLICES": "contract",
        "CANARIO_SHADOW_MATURE_SECONDS": "120",
    }
    canary = objects["Canary", "churn"]["spec"]
    assert not [one for one in canary["service"]["match"] if telemetry.SHADOW_PATH in one["uri"].values()]
    webhook = next(one for one in canary["analysis"]["webhooks"] if one["name"] == "confirm-traffic-increase")
    assert Rollout.model_validate_json(webhook["metadata"]["rollout"]).shadow_first
    assert canary["analysis"]["stepWeights"] == plain["Canary", "churn"]["spec"]["analysis"]["stepWeights"]
    assert "CANARIO_SHADOW_URL" not in environment(plain["Deployment", "churn"])


def test_without_a_margin_for_differences_the_judge_hears_so(tmp_path: Path) -> None:
    objects = rendered(tmp_path, {"rollout": {"shadow": {"different_ratio": None}}})
    webhook = objects["Canary", "churn"]["spec"]["analysis"]["webhooks"][0]
    assert Rollout.model_validate_json(webhook["metadata"]["rollout"]).shadow.different_ratio is None


@pytest.mark.parametrize(("interval", "seconds"), [(30, 30), (7.5, 7.5), (0.1, 0.5)])
def test_labels_are_counted_by_the_judges_interval(tmp_path: Path, interval: float, seconds: float) -> None:
    objects = rendered(tmp_path, {"rollout": {"interval_seconds": interval}})
    assert float(environment(objects["Deployment", "churn"])["CANARIO_LABEL_SLOT_SECONDS"]) == seconds


def test_peers_are_the_replicas_of_both_versions(tmp_path: Path) -> None:
    objects = rendered(tmp_path, {})
    service, deployment = objects["Service", "churn-peers"], objects["Deployment", "churn"]
    assert environment(deployment)["CANARIO_PEERS"] == f"churn-peers:{service['spec']['ports'][0]['port']}"
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    copied = {**labels, "app": "churn-primary"}  # as Flagger copies it
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= copied.items()


def test_each_version_is_protected_and_scaled_alone(tmp_path: Path) -> None:
    objects = rendered(tmp_path, KEDA)
    budgets = {
        name: one["spec"]["selector"]["matchLabels"]
        for (kind, name), one in objects.items()
        if kind == "PodDisruptionBudget"
    }
    assert budgets == {"churn": {"app": "churn-primary"}, "churn-canary": {"app": "churn"}}
    query = objects["ScaledObject", "churn"]["spec"]["triggers"][0]["metadata"]["query"]
    champions = objects["Canary", "churn"]["spec"]["autoscalerRef"]["primaryScalerQueries"]["requests"]
    assert 'pod=~"churn-[a-z0-9]+-[a-z0-9]{5}"' in query
    assert 'pod=~"churn-primary-[a-z0-9]+-[a-z0-9]{5}"' in champions


def test_the_pool_and_its_gpus_are_asked_for(tmp_path: Path) -> None:
    spec = pod(rendered(tmp_path, {"pool": "gpu", "gpus": 1})["Deployment", "churn"])
    assert spec["nodeSelector"] == {"canario/pool": "gpu"}
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    plain = pod(rendered(tmp_path, {})["Deployment", "churn"])
    assert "nodeSelector" not in plain
    assert "tolerations" not in plain


def test_nothing_comes_in_but_what_is_named(tmp_path: Path) -> None:
    policy = rendered(tmp_path, {"callers": ["load"]})["NetworkPolicy", "churn"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    sources = [
        one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for one in policy["ingress"][0]["from"]
        if "namespaceSelector" in one
    ]
    assert sources == ["gateway", "load", "monitoring"]


def test_the_judges_prometheus_scrapes_beside_the_operators(tmp_path: Path) -> None:
    """The judge's Prometheus scrapes the pods, also where the operator's Prometheus does."""
    annotated = rendered(tmp_path, {})
    assert not [kind for kind, _ in annotated if kind == "ServiceMonitor"]
    watched = rendered(tmp_path, {**WATCHED, "rollout": {"strategy": "basic"}})
    for one in (annotated, watched):
        annotations = one["Deployment", "churn"]["spec"]["template"]["metadata"]["annotations"]
        assert (annotations["prometheus.io/scrape"], annotations["prometheus.io/port"]) == ("true", "3000")
    selector = watched["ServiceMonitor", "churn"]["spec"]["selector"]
    components = selector["matchExpressions"][0]["values"]
    found = [
        name
        for (kind, name), one in watched.items()
        if kind == "Service" and one["metadata"]["labels"]["app.kubernetes.io/component"] in components
    ]
    assert found == ["churn-peers"]


def test_a_newer_chart_alone_starts_no_rollout(tmp_path: Path) -> None:
    template = yaml.safe_dump(rendered(tmp_path, {})["Deployment", "churn"]["spec"]["template"])
    assert "helm.sh/chart" not in template
    assert "managed-by" not in template
