"""Whoever breaks the glass leaves a trace that stays, and an empty reason breaks nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from k8s.cluster import glass, kubectl
from tests.repo.tree import ROOT

#: As `kubectl config view --output json` has it; it writes null for what is not there.
KUBECONFIG: dict[str, Any] = {
    "current-context": "staging",
    "contexts": [{"name": "staging", "context": {"cluster": "eu-2", "user": "ann"}}],
    "clusters": [{"name": "eu-2", "cluster": {"server": "https://10.0.0.1"}}],
}
NO_KUBECONFIG: dict[str, Any] = {"current-context": "", "contexts": None, "clusters": None}


class Namespace:
    """Answers as kubectl does about one namespace: patches are merged, and what is null goes."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {"name": "models", "labels": {"canario/admission": "models"}}
        self.kubeconfig: dict[str, Any] = KUBECONFIG
        self.events: list[dict[str, Any]] = []

    def get_json(self, *asked: str) -> dict[str, Any]:
        if asked == ("config", "view"):
            return self.kubeconfig
        if asked[0] == "auth":
            return {"status": {"userInfo": {"username": "ann"}}}
        return {"metadata": self.metadata}

    def kubectl(self, *asked: str) -> str:
        patch = json.loads(asked[-1])["metadata"]
        for part, values in patch.items():
            there = {**self.metadata.get(part, {}), **values}
            self.metadata[part] = {key: value for key, value in there.items() if value is not None}
        return ""

    def create(self, document: dict[str, Any]) -> None:
        """As the API server has it: an Event is where its object is."""
        assert document["involvedObject"].get("namespace", "default") == document["metadata"]["namespace"]
        self.events.append(document)


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> Namespace:
    stands = Namespace()
    for name in ("get_json", "kubectl", "create"):
        monkeypatch.setattr(kubectl, name, getattr(stands, name))
    return stands


def test_broken_and_mended_glass_says_who_when_and_why(namespace: Namespace) -> None:
    assert glass.broken_glass("models") == ""
    assert glass.main(["--reason", "the registry\nlost its signatures"]) == 0
    trace = glass.broken_glass("models")
    assert trace.startswith("broken by ann at 2")
    assert trace.endswith("Z: the registry lost its signatures")
    assert namespace.metadata["labels"] == {"canario/admission": "models", "canario/glass": "broken"}
    assert glass.main(["--mend"]) == 0
    assert glass.broken_glass("models") == ""
    assert namespace.metadata["annotations"]["canario/glass"].startswith(f"{trace}; mended by ann at 2")
    assert [(one["type"], one["reason"]) for one in namespace.events] == [
        ("Warning", "GlassBroken"),
        ("Normal", "GlassMended"),
    ]


def test_nothing_is_mended_that_is_whole(namespace: Namespace) -> None:
    assert glass.mend_glass("models") == "the glass is whole"
    assert namespace.events == []


def test_no_reason_breaks_nothing(namespace: Namespace, capsys: pytest.CaptureFixture[str]) -> None:
    assert glass.main(["--reason", " "]) == 1
    assert "REASON is empty" in capsys.readouterr().err
    assert glass.broken_glass("models") == ""


@pytest.mark.parametrize(
    ("kubeconfig", "said"),
    [
        (KUBECONFIG, "models: context staging, cluster eu-2 (https://10.0.0.1)"),
        (NO_KUBECONFIG, "models: context none, cluster unknown (no address)"),
    ],
)
def test_the_cluster_is_named_before_it_is_written_to(
    namespace: Namespace, kubeconfig: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace.kubeconfig = kubeconfig
    assert glass.main(["--reason", "an outage"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"about to break the glass of {said}"
    assert second.startswith("models: broken by ann")


def test_the_rule_names_the_command_as_it_is() -> None:
    text = (ROOT / "k8s" / "configs" / "signatures" / "glass.yaml").read_text(encoding="utf-8")
    assert 'make break-glass REASON="why"' in text
    assert "break-glass ENV" not in text
