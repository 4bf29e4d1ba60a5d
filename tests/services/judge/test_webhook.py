"""Flagger's payloads, and what the chart adds to them."""

from __future__ import annotations

import json

import pytest

from services.judge.webhook import Subject, WebhookPayload, WebhookPayloadError, read_payload


def asked(**more: object) -> WebhookPayload:
    return read_payload(json.dumps({"name": "churn", "namespace": "models", **more}).encode())


def test_the_metadata_says_how_to_judge_and_what() -> None:
    told = {"rollout": '{"step_weight": 5, "harm": {"label_loss": null}}', "version": "7", "package": "sha256:abc"}
    question = asked(phase="Progressing", checksum="c0ffee", metadata=told)
    assert question.subject == Subject("churn", "models")
    assert question.metadata.rollout is not None
    assert (question.metadata.rollout.step_weight, question.metadata.rollout.harm.label_loss) == (5, None)
    assert (question.metadata.version, question.metadata.package) == ("7", "sha256:abc")


@pytest.mark.parametrize("metadata", [{}, None])
def test_without_metadata_nothing_is_told(metadata: object) -> None:
    assert asked(metadata=metadata).metadata.rollout is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[1]", "a question is a JSON object"),
        ("{", "a question is a JSON object"),
        ('{"name": ""}', "name: String should match pattern"),
        ('{"name": "churn\\",job=\\"other"}', "name: String should match pattern"),
        ('{"name": "churn\\n"}', "name: String should match pattern"),
        ('{"name": "churn", "namespace": "Models"}', "namespace: String should match pattern"),
        ('{"name": "churn", "metadata": {"rollout": "{"}}', "metadata.rollout: Invalid JSON"),
        ('{"name": "churn", "metadata": {"rollout": "{\\"step_wait\\": 1}"}}', "step_wait: Extra inputs"),
    ],
)
def test_what_cannot_be_understood_is_said(body: str, words: str) -> None:
    with pytest.raises(WebhookPayloadError, match="as Flagger posts it") as caught:
        read_payload(body.encode())
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("phase", "message", "failed"),
    [
        ("Failed", "Canary failed! Scaling down churn.models", True),
        # What Flagger tells when the next release is asked about: the phase is still that of the last.
        ("Failed", "Confirm-rollout check confirm-rollout passed", False),
        ("Progressing", "New revision detected! Scaling up churn.models", False),
        ("Succeeded", "Promotion completed! Scaling down churn.models", False),
        ("Failed", "", False),
    ],
)
def test_only_a_rollback_is_a_failure(phase: str, message: str, failed: bool) -> None:
    assert asked(phase=phase, metadata={"eventMessage": message}).rolled_back is failed
