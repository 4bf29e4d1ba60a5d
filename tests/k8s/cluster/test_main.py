"""What is said where a tool is missing, and the shape of the configuration. kind itself does not run here."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from k8s.cluster.__main__ import CONFIG, kind_release, main
from k8s.cluster.kind_registry import HOST, bring_registry
from k8s.errors import ToolError
from k8s.platform.controllers import read_controllers
from k8s.rendering.environment_files import read_platform
from tests.programs import program

#: kind's v1alpha4: https://github.com/kubernetes-sigs/kind/blob/main/pkg/apis/config/v1alpha4/types.go
NODE = {"role", "image", "labels", "extraMounts", "extraPortMappings", "gpus", "kubeadmConfigPatches"}
PORT = {"containerPort", "hostPort", "listenAddress", "protocol"}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, "docker is not on the PATH; https://docs.docker.com"),
        ({"docker": "exit 0"}, "kind is not on the PATH; https://kind.sigs.k8s.io"),
        ({"docker": "exit 0", "kind": "exit 0"}, "kubectl is not on the PATH; https://kubernetes.io"),
        (
            {"docker": "echo no daemon >&2; exit 1", "kind": "exit 0", "kubectl": "exit 0"},
            "docker does not answer; start it",
        ),
        ({"docker": "exit 0", "kind": "echo kind v0.27.0 go1.24", "kubectl": "exit 0"}, "0.29 or later is needed"),
        ({"docker": "exit 0", "kind": "echo hello", "kubectl": "exit 0"}, "kind does not say its release but 'hello'"),
    ],
)
def test_what_is_missing_is_said_with_the_next_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: dict[str, str],
    said: str,
) -> None:
    for name, script in there.items():
        program(tmp_path, name, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--kubeconfig", str(tmp_path / "kubeconfig")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("there is no cluster: ")
    assert said in err


def test_an_existing_cluster_is_kept_and_its_pool_offers_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that exists is kept, and its pool for training offers a GPU."""
    said = f'echo "$0 $*" >> {tmp_path}/told; case "$1 $3" in'
    program(tmp_path, "docker", f"{said} esac")
    program(tmp_path, "kind", f'{said} "version ") echo kind v0.33.0 go1.26 ;; "get "*) echo canario ;; esac')
    program(tmp_path, "kubectl", f'{said} "--kubeconfig get") echo node/canario-worker2 ;; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["--kubeconfig", str(tmp_path / "kubeconfig")]) == 0
    told = (tmp_path / "told").read_text()
    assert "kind create" not in told
    assert "patch node/canario-worker2 --subresource status" in told
    assert '"path": "/status/capacity/nvidia.com~1gpu", "value": "1"' in told


def test_nodes_are_told_of_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A registry is started where none runs; each node learns its name, and so does the person."""
    said = f'echo "$0 $*" >> {tmp_path}/told; case "$1 $2" in'
    program(tmp_path, "docker", f"{said} esac")
    program(tmp_path, "kind", f'{said} "version ") echo kind v0.33.0 go1.26 ;; "get "*) echo canario ;; esac')
    program(tmp_path, "kubectl", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["--kubeconfig", str(tmp_path / "kubeconfig")]) == 0
    told = (tmp_path / "told").read_text()
    assert f"docker run --detach --restart unless-stopped --name {HOST} --network kind" in told
    assert f"docker exec canario sh -c mkdir -p /etc/containerd/certs.d/{HOST}:5000" in told
    out = capsys.readouterr().out
    assert f"echo 127.0.0.1 {HOST} | sudo tee -a /etc/hosts" in out
    assert f"export REGISTRY={HOST}:5000/canario CANARIO_INSECURE_REGISTRIES={HOST}:5000" in out


def test_a_registry_that_runs_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f'echo "$0 $*" >> {tmp_path}/told; case "$1 $2" in'
    program(tmp_path, "docker", f'{said} "ps --quiet") echo 1a2b3c ;; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    bring_registry(["one", "two"])
    told = (tmp_path / "told").read_text()
    assert "docker run" not in told
    assert told.count("docker exec") == 2


def test_a_registry_that_docker_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'case "$1" in run) echo port is already allocated >&2; exit 125 ;; esac'
    program(tmp_path, "docker", script)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ToolError, match=r"(?s)docker run: the registry .* is not there.*already allocated"):
        bring_registry(["one"])


def test_releases_are_compared_as_numbers() -> None:
    assert kind_release("kind v0.33.0 go1.26.0 linux/amd64") == (0, 33)
    with pytest.raises(ToolError, match="does not say its release"):
        kind_release("")


def test_the_configuration_has_only_fields_that_kind_knows() -> None:
    """The configuration has a control plane and two workers, in fields that kind knows."""
    told = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert (told["kind"], told["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert [node["role"] for node in told["nodes"]] == ["control-plane", "worker", "worker"]
    assert told["nodes"][2]["labels"] == {"canario/pool": "gpu"}
    assert all(set(node) <= NODE for node in told["nodes"])
    assert all(set(port) <= PORT for node in told["nodes"] for port in node.get("extraPortMappings", []))


def test_the_mapped_ports_are_the_gateways() -> None:
    """The node ports of HTTP and HTTPS are mapped to the ports at which the local environment says it is reached."""
    told = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    gateway = next(one for one in read_controllers() if one.name == "traefik")
    local = read_platform(CONFIG.parents[1] / "envs" / "local" / "platform.yaml").gateway
    assert gateway.chart is not None
    ports = gateway.chart.values["ports"]
    mapped = {port["containerPort"]: port["hostPort"] for port in told["nodes"][0]["extraPortMappings"]}
    assert mapped == {ports["web"]["nodePort"]: local.http_port, ports["websecure"]["nodePort"]: local.https_port}
    assert {port["listenAddress"] for port in told["nodes"][0]["extraPortMappings"]} == {local.address}
