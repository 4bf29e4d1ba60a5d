"""What is lacking is installed with the time that it needs, and what came to no end is installed again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from k8s.errors import ClusterError
from k8s.platform.installing import bring_controllers
from tests.programs import program
from tests.repo.tree import ROOT

TLS_ROUTES = "tlsroutes.gateway.networking.k8s.io"
CRDS = f"{TLS_ROUTES} v1.6.3\ncanaries.flagger.app \nimagevalidatingpolicies.policies.kyverno.io \n"
ENVIRONMENTS = sorted(path.parent.name for path in ROOT.glob("k8s/envs/*/platform.yaml"))
THERE = "traefik metrics-server prometheus flagger kyverno-admission-controller"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that answers from files, and a helm that writes down what it is told; their folder."""
    for name, text in (("crds", CRDS), ("deployments", THERE), ("secrets", "")):
        (tmp_path / name).write_text(text)
    program(
        tmp_path, "kubectl", f'printf "%s\\n" "kubectl $*" >> {tmp_path}/told; [ "$1" != get ] || cat {tmp_path}/$2'
    )
    program(tmp_path, "helm", f'echo "helm $@" >> {tmp_path}/told')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def told(folder: Path) -> list[str]:
    """What changed the cluster."""
    changing = ("helm", "kubectl apply")
    lines = (folder / "told").read_text().splitlines()
    return [line for line in lines if line.startswith(changing) and "--dry-run=server" not in line]


def brought(environment: str = "local") -> list[str]:
    said: list[str] = []
    bring_controllers(environment, [], said.append)
    return said


def test_what_is_there_is_left_alone(programs: Path) -> None:
    (programs / "secrets").write_text("1 gateway/traefik deployed\n")
    assert brought() == ["controllers: all are there"]
    assert told(programs) == []


def test_a_release_that_failed_is_said_and_installed_again(programs: Path) -> None:
    (programs / "secrets").write_text("10 gateway/traefik failed\n9 gateway/traefik deployed\n")
    assert brought() == ["traefik: its release is failed; is being installed", "controllers: 1 were installed"]
    (command,) = told(programs)
    assert command.startswith("helm upgrade --install traefik traefik --repo https://traefik.github.io/charts ")
    (programs / "secrets").write_text("10 gateway/traefik failed\n11 gateway/traefik deployed\n")
    assert brought() == ["controllers: all are there"]


@pytest.mark.parametrize(("state", "word"), [("pending-install", "uninstall"), ("pending-upgrade", "rollback")])
def test_a_release_held_by_another_helm_is_left_to_a_person(programs: Path, state: str, word: str) -> None:
    """A release is left to a person when another helm may be working on it."""
    (programs / "secrets").write_text(f"1 gateway/traefik {state}\n")
    with pytest.raises(ClusterError, match=rf"release is {state}.*`helm {word} traefik --namespace gateway`"):
        brought()
    assert told(programs) == []


def test_helm_is_given_more_time_than_it_waits_itself(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (programs / "deployments").write_text(THERE.replace("traefik", ""))
    given: dict[str, float] = {}
    real = subprocess.run

    def noted(words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        given[Path(words[0]).name] = options["timeout"]
        return real(words, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    assert brought()[0] == "traefik: is missing; is being installed"
    (command,) = told(programs)
    assert "--wait --timeout 300s" in command
    assert given["helm"] > 300


@pytest.mark.parametrize(
    ("crds", "said"),
    [
        ("", "is missing"),
        (f"{TLS_ROUTES} v1.4.1", "v1.4.1 is there, and 1.5.0 or later is needed"),
        (
            "gateways.gateway.networking.k8s.io v1.2.1",
            f"v1.2.1 is there without {TLS_ROUTES}, and 1.5.0 or later is needed",
        ),
    ],
)
def test_an_older_gateway_api_that_nobody_manages_is_replaced(programs: Path, crds: str, said: str) -> None:
    (programs / "crds").write_text(f"{crds}\ncanaries.flagger.app\n")
    assert brought() == [f"gateway-api: {said}; is being installed", "controllers: 1 were installed"]
    (command,) = told(programs)
    assert command.startswith("kubectl apply --server-side --filename https://github.com/kubernetes-sigs/gateway-api/")


def test_a_gateway_api_that_a_cloud_manages_stays_as_it_is(programs: Path) -> None:
    """Another manager's definitions are not overwritten; kubectl's words are those of a real one on a cluster."""
    (programs / "crds").write_text("gateways.gateway.networking.k8s.io v1.2.1\ncanaries.flagger.app\n")
    kubectl = programs / "kubectl"
    (programs / "conflict").write_text(
        'error: Apply failed with 2 conflicts: conflicts with "cloud-add-ons" using apiextensions.k8s.io/v1:\n'
        "- .metadata.annotations.gateway.networking.k8s.io/bundle-version\n- .spec.versions\n"
    )
    refuses = f'case "$*" in *--dry-run=server*) cat {programs}/conflict >&2; exit 1 ;; esac'
    kubectl.write_text(f"{kubectl.read_text()}{refuses}\n")
    with pytest.raises(ClusterError, match=r"gateway-api: is not installed, and nothing .* managed by cloud-add-ons\."):
        brought()
    assert told(programs) == []


def test_a_new_enough_gateway_api_is_taken_whoever_manages_it(programs: Path) -> None:
    (programs / "crds").write_text(f"{TLS_ROUTES} v1.5.0\ncanaries.flagger.app\n")
    assert brought() == ["controllers: all are there"]
    assert told(programs) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_only_a_local_kubelet_is_trusted_without_a_certificate(programs: Path, environment: str) -> None:
    """A kubelet is trusted without a certificate only on a local cluster."""
    (programs / "deployments").write_text(THERE.replace("metrics-server", ""))
    keep = f'for last; do :; done; [ ! -d "$last" ] || cp "$last/kustomization.yaml" {programs}'
    kubectl = programs / "kubectl"
    kubectl.write_text(f"{kubectl.read_text()}{keep}\n")
    brought(environment)
    (command,) = told(programs)
    kustomization = programs / "kustomization.yaml"
    assert kustomization.exists() is (environment == "local")
    if environment != "local":
        assert "--filename https://github.com/kubernetes-sigs/metrics-server/" in command
        return
    wanted = json.loads(kustomization.read_text())
    assert "metrics-server" in wanted["resources"][0]
    assert "--kubelet-insecure-tls" in wanted["patches"][0]["patch"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_only_a_local_gateway_does_not_wait_for_an_address(programs: Path, environment: str) -> None:
    """A gateway waits for an address of its own unless the cluster is a local one."""
    (programs / "deployments").write_text(THERE.replace("traefik", ""))
    helm = programs / "helm"
    keep = f'for each; do [ ! -f "$each" ] || cat "$each" >> {programs}/values; done'
    helm.write_text(f"{helm.read_text()}{keep}\n")
    brought(environment)
    values = (programs / "values").read_text()
    assert '"kubernetesGateway"' in values
    assert values.endswith('{"service": {"spec": {"type": "NodePort"}}}') is (environment == "local")


def test_flux_brings_no_metrics_server_of_ours() -> None:
    flux = [path.read_text() for path in (ROOT / "k8s" / "flux").rglob("*.yaml")]
    assert not [text for text in flux if "kubelet-insecure-tls" in text]
