"""The operator's settings, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from components.spec.contract import ClosedModel
from services.model_server.errors import SettingsError
from services.telemetry import SHADOW_PATH

PREFIX = "CANARIO_"
#: Set while a bento is built, which serves nothing.
BUILDING_VARIABLE = "CANARIO_BUILDING"

_Share = Annotated[float, Field(ge=0, le=1)]


class Settings(ClosedModel):
    """One field for each variable: `CANARIO_LOG_DIR` sets `log_dir`."""

    package: Path = Field(description="Folder of the model package; the bento has its own baked in.")
    public_key: str | None = Field(
        default=None, description="PEM, one key or several: serve only what one of them signed."
    )
    service: str | None = Field(default=None, description="Label of the metrics; the contract's name if not set.")
    version: str = Field(default="1", pattern=r"^[\w.:-]{1,64}$", description="The model's version number.")
    workers: int = Field(default=1, ge=1, le=64, description="Serving processes that share the port.")
    log_dir: Path | None = Field(default=None, description="Folder of the prediction log; empty is off.")
    log_file_mib: float = Field(default=64, gt=0, description="Size at which a file of the log is closed.")
    log_files: int = Field(
        default=8, ge=1, description="The log may take this many files of that size; the oldest go first."
    )
    log_queue_mib: float = Field(default=16, gt=0, description="Memory for lines that are not on the disk yet.")
    peers: tuple[str, ...] = Field(default=(), description="Other replicas, host:port, that may know a request id.")
    recent_requests: int = Field(
        default=262_144, ge=64, description="Room for answers that feedback can be matched with."
    )
    label_slot_seconds: float = Field(default=30, ge=0.5, description="Labels are counted by slots of this length.")
    drain_seconds: float = Field(default=1.0, ge=0, description="From SIGTERM, unready but answering, to the end.")
    die_with_parent: bool = Field(default=False, description="Stop when the process that started the server ends.")
    shadow_url: str | None = Field(default=None, description="Predict route of a candidate that gets copies.")
    shadow_ratio: _Share = Field(default=1, description="Share of the requests copied to the candidate.")
    shadow_score_difference: _Share = Field(default=0.05, description="Probabilities further apart than this differ.")
    shadow_slices: tuple[str, ...] = Field(default=(), description="Category features to report by; empty is all.")
    shadow_candidate: bool = Field(default=False, description="Serve as a candidate: do not count copies as requests.")
    shadow_first: bool = Field(default=False, description="Take copies at /shadow until a caller is answered.")
    shadow_mature_seconds: float = Field(default=0, ge=0, description="Age of an answer from which its labels pair.")
    shadow_queue_mib: float = Field(default=0.25, gt=0, description="Memory for requests that wait to be copied.")
    fault_error_ratio: _Share = Field(default=0, description="Faked fault: share answered with 500.")
    fault_error_above: float = Field(default=0, ge=0, description="Faked fault: no error at fewer requests a second.")
    fault_lost_ratio: _Share = Field(default=0, description="Faked fault: share that is lost, and counted nowhere.")
    fault_slow_ratio: _Share = Field(default=0, description="Faked fault: share that takes twice the objective.")
    fault_stale_ratio: _Share = Field(default=0, description="Faked fault: share answered with an unrelated score.")
    fault_swapped_ratio: _Share = Field(default=0, description="Faked fault: share whose classes change places.")
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
        problem = ValueError("it is not http://host:port/predict, such as http://churn-shadow:3000/predict, or /shadow")
        try:
            parts = urlsplit(url or "http://none/predict")
            usable = (
                parts.scheme == "http"
                and parts.hostname
                and parts.port != 0
                and parts.path in ("/predict", SHADOW_PATH)
            )
        except ValueError:
            raise problem from None
        if not usable or parts.query or parts.fragment or parts.username:
            raise problem
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
        ValueError: the text does not have the form feature=value:share.
    """
    place, _, share = text.rpartition(":")
    feature, equals, value = place.partition("=")
    try:
        ratio = float(share)
    except ValueError:
        ratio = -1.0
    if not (feature and equals and 0 <= ratio <= 1):
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
        raise SettingsError("\n".join(_problems(error))) from error


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        name = PREFIX + str(problem["loc"][0]).upper()
        value = "is not set" if problem["type"] == "missing" else f"{problem['input']!r}"
        field = Settings.model_fields[str(problem["loc"][0])]
        lines.append(f"{name}: {value}: {problem['msg'].removeprefix('Value error, ')}. It is: {field.description}")
    return lines
