"""What an operator sets, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator

from components.contract import Closed
from services.model_server.errors import SettingsError

PREFIX = "CANARIO_"

_Share = Annotated[float, Field(ge=0, le=1)]


class Settings(Closed):
    """One field a variable: `CANARIO_LOG_DIR` is `log_dir`."""

    package: Path = Field(description="Folder of the model package; the bento has its own baked in.")
    service: str | None = Field(default=None, description="Label of the metrics; the contract's name if not set.")
    version: str = Field(default="1", pattern=r"^[\w.:-]{1,64}$", description="The model's version number.")
    workers: int = Field(default=1, ge=1, le=64, description="Serving processes that share the port.")
    log_dir: Path | None = Field(default=None, description="Folder of the prediction log; empty is off.")
    log_file_mib: float = Field(default=64, gt=0, description="Size at which a file of the log is closed.")
    log_files: int = Field(default=8, ge=1, description="Files of the log that are kept; the oldest goes first.")
    log_queue_mib: float = Field(default=16, gt=0, description="Memory for what the disk has not taken yet.")
    peers: tuple[str, ...] = Field(default=(), description="Other replicas, host:port, that may know a request id.")
    recent_requests: int = Field(default=262_144, ge=64, description="Answers that feedback can be matched with.")
    drain_seconds: float = Field(default=1.0, ge=0, description="From SIGTERM, unready but answering, to the end.")
    die_with_parent: bool = Field(default=False, description="Stop when the process that started the server ends.")
    fault_error_ratio: _Share = Field(default=0, description="Faked fault: share answered with 500.")
    fault_slow_ratio: _Share = Field(default=0, description="Faked fault: share that takes twice the objective.")
    fault_stale_ratio: _Share = Field(default=0, description="Faked fault: share answered with an unrelated score.")

    @field_validator("peers", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(peer.strip() for peer in value.split(",") if peer.strip()) if isinstance(value, str) else value

    @field_validator("peers")
    @classmethod
    def _host_and_port(cls, peers: tuple[str, ...]) -> tuple[str, ...]:
        for peer in peers:
            host, _, port = peer.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"{peer!r} is not host:port, such as churn-canary:3000")
        return peers


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
