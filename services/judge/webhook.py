"""What Flagger asks and tells: the payload of its webhooks, and what the chart adds to it.

The chart gives every webhook of a Canary the same metadata, which Flagger hands on: `rollout` (the
spec's rollout as JSON), `version` and `package` of the release. So a question carries all that an
answer needs, and the judge keeps no list of services.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from components.spec.contract import Rollout

#: A label of DNS, as Kubernetes has for the names of services and namespaces (RFC 1123); it goes into queries.
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HELP = "a question is a JSON object with name, namespace and phase, as Flagger posts it"


class Subject(NamedTuple):
    """The canary that is judged. `namespace` is empty where there are none."""

    service: str
    namespace: str = ""


class WebhookPayloadError(ValueError):
    """The payload cannot be understood; the message says which key of it."""


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
    """One payload. `rollout` in the metadata is None where the judge was told the spec at its start."""

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
        """Which canary it is about."""
        return Subject(self.name, self.namespace)

    @property
    def rolled_back(self) -> bool:
        """Whether Flagger tells that it has rolled back.

        The phase alone will not do: it stays Failed while the next release is asked about
        (flagger v1.44, pkg/controller/scheduler.go: rollback, checkCanaryStatus).
        """
        return self.phase == "Failed" and self.metadata.event_message.startswith("Canary failed!")

    @property
    def now_serving(self) -> bool:
        """Whether Flagger tells that a version was promoted, or that the first one serves."""
        return self.metadata.event_message.startswith(("Promotion completed!", "Initialization done!"))


def read_payload(body: bytes) -> WebhookPayload:
    """The question in a request's body.

    Raises:
        QuestionError: it is none.
    """
    try:
        return WebhookPayload.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from error


def payload_of(payload: dict[str, Any]) -> WebhookPayload:
    """The question in a payload that was read already.

    Raises:
        QuestionError: it is none.
    """
    try:
        return WebhookPayload.model_validate(payload)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> WebhookPayloadError:
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return WebhookPayloadError(f"{place}: {fault['msg']}; {_HELP}" if place else _HELP)
