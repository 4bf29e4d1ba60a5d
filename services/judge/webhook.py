"""The payload of Flagger's webhooks, and the metadata that the chart adds to it.

The chart gives every webhook of a Canary the same metadata, which Flagger passes on: `rollout` (the
spec's rollout as JSON), `version` and `package` of the release. A question thus carries everything
needed for its answer, and the judge keeps no list of services.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from components.spec.contract import Rollout

#: A DNS label (RFC 1123), the form of Kubernetes' names of services and namespaces; it is inserted into queries.
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HELP = "a question is a JSON object with name, namespace and phase, as Flagger posts it"


class Subject(NamedTuple):
    """The canary that is judged. `namespace` is empty outside a cluster."""

    service: str
    namespace: str = ""


class WebhookPayloadError(ValueError):
    """The payload cannot be understood; the message names the wrong key."""


class _Metadata(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    rollout: Rollout | None = None
    version: str = ""
    package: str = ""
    event_message: str = Field(default="", alias="eventMessage")

    @field_validator("rollout", mode="before")
    @classmethod
    def _parsed(cls, text: object) -> object:
        return Rollout.model_validate_json(text) if isinstance(text, str) else text


class WebhookPayload(BaseModel):
    """One payload. `rollout` in the metadata is None where the judge got the spec at its start."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(pattern=f"^{_LABEL}$")
    namespace: str = Field(default="", pattern=f"^({_LABEL})?$")
    phase: str = ""
    metadata: _Metadata = _Metadata()

    @field_validator("metadata", mode="before")
    @classmethod
    def _there(cls, given: object) -> object:
        return {} if given is None else given

    @property
    def subject(self) -> Subject:
        """The canary that the payload is about."""
        return Subject(self.name, self.namespace)

    @property
    def rolled_back(self) -> bool:
        """True if Flagger reports that it has rolled back.

        The phase alone is not enough: it stays Failed during questions about the next release
        (flagger v1.44, pkg/controller/scheduler.go: rollback, checkCanaryStatus).
        """
        return self.phase == "Failed" and self.metadata.event_message.startswith("Canary failed!")

    @property
    def now_serving(self) -> bool:
        """True if Flagger reports that a version was promoted, or that the first version serves."""
        return self.metadata.event_message.startswith(("Promotion completed!", "Initialization done!"))


def read_payload(body: bytes) -> WebhookPayload:
    """The payload in a request's body.

    Raises:
        WebhookPayloadError: the body is not a payload.
    """
    try:
        return WebhookPayload.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from error


def payload_of(payload: dict[str, Any]) -> WebhookPayload:
    """The payload in an already parsed document.

    Raises:
        WebhookPayloadError: the document is not a payload.
    """
    try:
        return WebhookPayload.model_validate(payload)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> WebhookPayloadError:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return WebhookPayloadError(f"{place}: {problem['msg']}; {_HELP}" if place else _HELP)
