"""The errors that the model server raises on purpose.

ServerError
├── SettingsError   a setting is wrong; the operator must correct it
├── ModelError      the graph's output is not a probability
├── LabelsError     labels do not fit an answer, or contradict earlier labels
└── Refused         a request is wrong; the caller must correct it
"""

from __future__ import annotations

from typing import Any, Literal, get_args

#: Why a request was refused; the label `reason` of `canario_refused_total`.
Reason = Literal["bad_json", "body_too_large", "wrong_values", "empty_batch", "batch_too_long", "feedback", "route"]
REASONS: tuple[Reason, ...] = get_args(Reason)


class ServerError(Exception):
    """An error that a person can act on; its message is meant to be shown."""


class SettingsError(ServerError):
    """An environment variable is wrong."""


class ModelError(ServerError):
    """The graph's output is not a probability."""


class LabelsError(ServerError):
    """Labels that cannot be counted for the answer they name."""


class Refused(ServerError):  # noqa: N818 -- an answer, not an accident
    """A request that gets a 4xx; `details` are added to the message in the answer, `allow` is its header Allow."""

    def __init__(self, status: int, reason: Reason, message: str, *, allow: str = "", **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.allow = allow
        self.details = details

    def document(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return {"error": str(self), **self.details}
