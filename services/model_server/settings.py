"""What an operator sets, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from components.spec.contract import ClosedModel
from services.model_server.errors import SettingsError

PREFIX = "CANARIO_"

_Share = Annotated[float, Field(ge=0, le=1)]


class Settings(ClosedModel):
    """One field a variable: `CANARIO_LOG_DIR` is `log_dir`."""

    package: Path = Field(description="Folder of the model package; the bento has its own baked in.")
    public_key: str | None = Field(default=None, description="PEM: only packages that its owner signed are served.")
    service: str | None = Field(default=None, description="Label of the metrics; the contract's name if not set.")
    version: str = Field(default="1", pattern=r"^[\w.:-]{1,64}$", description="The model's version number.")
    workers: int = Field(default=1, ge=1, le=64, description="Serving processes that share the port.")
    log_dir: Path | None = Field(default=None, description="Folder of the prediction log; empty is off.")
    log_file_mib: float = Field(default=64, gt=0, description="Size at which a file of the log is closed.")
    log_files: int = Field(
        default=8, ge=1, description="So many files of that size the log may take; the oldest go first."
    )
    log_queue_mib: float = Field(default=16, gt=0, description="Memory for what the disk has not taken yet.")
    peers: tuple[str, ...] = Field(default=(), description="Other replicas, host:port, that may know a request id.")
    recent_requests: int = Field(default=262_144, ge=64, description="Answers that feedback can be matched with.")
    drain_seconds: float = Field(default=1.0, ge=0, description="From SIGTERM, unready but answering, to the end.")
    die_with_parent: bool = Field(default=False, description="Stop when the process that started the server ends.")
    shadow_url: str | None = Field(default=None, description="Predict route of a candidate that is asked as well.")
    shadow_ratio: _Share = Field(default=1, description="Share of the requests that the candidate is asked.")
    shadow_score_difference: _Share = Field(default=0.05, description="Probabilities further apart are different.")
    shadow_slices: tuple[str, ...] = Field(default=(), description="Category features to report by; empty is all.")
    shadow_candidate: bool = Field(default=False, description="Whether it answers copies, which count as no requests.")
    shadow_queue_mib: float = Field(default=0.25, gt=0, description="Memory for requests that the candidate waits for.")
    fault_error_ratio: _Share = Field(default=0, description="Faked fault: share answered with 500.")
    fault_slow_ratio: _Share = Field(default=0, description="Faked fault: share that takes twice the objective.")
    fault_stale_ratio: _Share = Field(default=0, description="Faked fault: share answered with an unrelated score.")
    fault_slice: str | None = Field(default=None, description="Faked fault: feature=value:share, answered wrongly.")

    @field_validator("peers", "shadow_slices", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("peers")
    @classmethod
    def _host_and_port(cls, peers: tuple[str, ...]) -> tuple[str, ...]:
        for peer in peers:
            host, _, port = peer.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"{peer!r} is not host:port, such as churn-canary:3000")
        return peers

    @field_validator("shadow_url")
    @classmethod
    def _plain_http(cls, url: str | None) -> str | None:
        fault = ValueError("it is not http://host:port/predict, such as http://churn-shadow:3000/predict")
        try:
            parts = urlsplit(url or "http://none/predict")
            usable = parts.scheme == "http" and parts.hostname and parts.port != 0 and parts.path == "/predict"
        except ValueError:
            raise fault from None
        if not usable or parts.query or parts.fragment or parts.username:
            raise fault
        return url

    @field_validator("fault_slice")
    @classmethod
    def _slice_and_share(cls, text: str | None) -> str | None:
        if text is not None:
            parse_slice(text)
        return text


def parse_slice(text: str) -> tuple[str, str, float]:
    """Feature, value and share of a `fault_slice`.

    Raises:
        ValueError: it is something else.
    """
    place, _, share = text.rpartition(":")
    feature, is_there, value = place.partition("=")
    try:
        ratio = float(share)
    except ValueError:
        ratio = -1.0
    if not (feature and is_there and 0 <= ratio <= 1):
        raise ValueError("it is not feature=value:share, such as contract=Two year:0.03")
    return feature, value, ratio


def read_settings(environment: Mapping[str, str], package: Path | None = None) -> Settings:
    """The settings; an empty variable counts as not set. `package` is the default for CANARIO_PACKAGE.

    Raises:
        SettingsError: a value is not allowed; every wrong variable is named.
    """
    values: dict[str, object] = {} if package is None else {"package": package}
    for name in Settings.model_fields:
        text = environment.get(PREFIX + name.upper(), "")
        if text:
            values[name] = text
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_faults(error))) from error


def _faults(error: ValidationError) -> list[str]:
    lines = []
    for fault in error.errors(include_url=False):
        name = PREFIX + str(fault["loc"][0]).upper()
        given = "is not set" if fault["type"] == "missing" else f"{fault['input']!r}"
        field = Settings.model_fields[str(fault["loc"][0])]
        lines.append(f"{name}: {given}: {fault['msg'].removeprefix('Value error, ')}. It is: {field.description}")
    return lines
