"""What is said when a program is missing, refuses, or does not reach the cluster."""

from __future__ import annotations

import pytest

from k8s.cluster.program import explained, run
from k8s.errors import ClusterError, ToolError


def test_a_program_that_is_missing_is_named_with_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match=r"helm is not on the PATH; https://helm.sh"):
        run(["helm", "version"])


def test_a_rule_of_the_chart_is_shown_alone() -> None:
    words = "Error: execution error at (model-service/templates/deployment.yaml:1:4): "
    assert explained(words + "scale: min 5 is above max 3; swap them") == "scale: min 5 is above max 3; swap them"


@pytest.mark.parametrize(
    "words",
    [
        "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?",
        "Error: kubernetes cluster unreachable: dial tcp: lookup api on 10.0.0.1:53: no such host",
        "Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout",
    ],
)
def test_a_cluster_that_is_not_reached_is_called_so(words: str) -> None:
    assert explained(words).startswith("the cluster is not reached; does KUBECONFIG name one that runs?")


def test_an_engine_that_is_away_is_not_taken_for_the_cluster() -> None:
    words = 'failed calling webhook "ivpol.validate.kyverno.svc": dial tcp 10.96.0.9:443: connect: connection refused'
    assert explained(words).startswith("who checks what comes in does not answer, so nothing new comes in")


def test_other_words_are_passed_on() -> None:
    assert explained('namespaces "x" not found') == 'namespaces "x" not found'


def test_what_a_program_says_is_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("k8s.cluster.program.tool", lambda _name: "/bin/sh")
    with pytest.raises(ClusterError, match=r"^no$"):
        run(["sh", "-c", "echo no >&2; exit 3"])


def test_a_repository_of_charts_that_is_away_is_named_so() -> None:
    words = 'Error: looks like "https://charts.example" is not a valid chart repository or cannot be reached: Get'
    words += ' "https://charts.example/index.yaml": dial tcp: lookup charts.example on 10.0.0.2:53: no such host'
    assert explained(words) == f"a chart's repository is not reached from here; what was there stays as it is\n{words}"
