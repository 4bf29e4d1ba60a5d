"""Images of this machine get to the nodes once, by the command that fits the cluster; a failure is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s.cluster.nodes import bring, loader
from k8s.errors import ClusterError, ToolError
from tests.programs import program

_IMAGE = "registry.local/canario/churn:0123"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with a kubectl that names the cluster canario of kind, a Docker that has one image, and kind."""
    program(tmp_path, "kubectl", 'case "$1" in config) echo kind-canario;; *) echo uid-1;; esac')
    stored = '[{"Id": "sha256:77", "Digest": "sha256:88", "Size": 5, "Config": {}}]'
    program(tmp_path, "docker", f'case "$2" in inspect) [ "$3" = {_IMAGE} ] && echo \'{stored}\';; esac')
    program(tmp_path, "kind", f'echo "$@" >> {tmp_path}/kind.log')
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("CANARIO_ENGINE", "docker")
    monkeypatch.delenv("CANARIO_LOAD_IMAGE", raising=False)
    return tmp_path


def test_an_image_is_brought_to_a_cluster_of_kind_once(machine: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        bring(_IMAGE, said.append, machine / "brought")
    assert (machine / "kind.log").read_text() == f"load docker-image --name canario {_IMAGE}\n"
    assert said == [f"{_IMAGE} is being brought to the nodes"]


def test_another_cluster_gets_it_again(machine: Path) -> None:
    bring(_IMAGE, print, machine / "brought")
    program(machine, "kubectl", 'case "$1" in config) echo kind-other;; *) echo uid-2;; esac')
    bring(_IMAGE, print, machine / "brought")
    assert [line.split()[3] for line in (machine / "kind.log").read_text().splitlines()] == ["canario", "other"]


def test_an_image_of_a_registry_is_left_to_the_nodes(machine: Path) -> None:
    bring("registry.example.com/canario/churn:1", pytest.fail, machine / "brought")
    assert not (machine / "kind.log").exists()


def test_the_nodes_of_an_unknown_cluster_need_the_image_already(machine: Path) -> None:
    """The message about an unknown cluster says that its nodes need the image already."""
    program(machine, "kubectl", "echo gke-eu")
    said: list[str] = []
    bring(_IMAGE, said.append, machine / "brought")
    assert "each node must have it already" in said[0]


def test_an_image_that_was_not_made_is_no_image_that_was_brought(machine: Path) -> None:
    with pytest.raises(
        ClusterError, match="is not in the store of this machine; `make image` or `make platform-images` makes it"
    ):
        bring("registry.local/canario/other:1", print, machine / "brought")
    assert not (machine / "brought").exists()


def test_what_fails_is_said_and_tried_again(machine: Path) -> None:
    program(machine, "kind", "echo no nodes found >&2; exit 3")
    for _ in range(2):
        with pytest.raises(ClusterError, match=r"kind load docker-image .* ended with 3: no nodes found"):
            bring(_IMAGE, print, machine / "brought")


def test_a_loader_that_is_not_there_is_named(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARIO_LOAD_IMAGE", f"{machine}/nobody --all")
    with pytest.raises(ToolError, match="nobody cannot be run, so no node gets the image"):
        bring(_IMAGE, print, machine / "brought")


def test_a_given_command_wins() -> None:
    assert loader("kind-canario", {"CANARIO_LOAD_IMAGE": "k3d image import -c 'my one'"}) == [
        "k3d", "image", "import", "-c", "my one",
    ]  # fmt: skip
    assert loader("minikube", {}) is None
