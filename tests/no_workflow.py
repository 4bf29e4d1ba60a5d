"""Makes this machine one where no workflow runs, whoever runs the tests."""

from __future__ import annotations

import pytest


def no_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what workflows are known by."""
    for name in ("GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "GITLAB_CI", "CIRCLECI", "BUILDKITE"):
        monkeypatch.delenv(name, raising=False)
