"""Reads the files that a demo left. A missing or malformed part is reported, never guessed.

All files are below the demo's home; times are converted to seconds since the demo began.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from k8s.twin.summary import Story

#: Times from this value on count from 1970; smaller ones count from the demo's start.
_EPOCH = 1e8


class MissingPartError(Exception):
    """A part of the report cannot be shown; the message tells the reader why."""


class Loose(BaseModel):
    """A file of which only the declared fields are read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _known(value: object) -> object:
    """The value; None for NaN or infinity (0 / 0, where one side had no traffic)."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Known = Annotated[float | None, BeforeValidator(_known)]


class EventLine(Loose):
    """A line of `twin/events.jsonl`; see `k8s.twin.events.Event`."""

    at: float
    kind: str
    version: str = ""
    weight: float = 0
    phase: str = ""
    verdict: str = ""
    reason: str = ""
    evidence: dict[str, Any] = {}


class SignalLine(Loose):
    """The judge's knowledge of one signal; see `services.judge.statistics.signal_result.SignalResult`."""

    name: str
    state: str
    margin: float
    allowed: float
    canary_observations: float = 0
    champion_observations: float = 0
    canary: Known = None
    champion: Known = None
    excess: Known = None
    lower: Known = None
    upper: Known = None
    edge: float | None = None
    times: str | None = None
    loss: str | None = None
    answer_class: str | None = None

    @property
    def is_two_sided(self) -> bool:
        """Whether a difference in either direction is harm: a shift of scores, at an edge or in a class."""
        return self.edge is not None or self.answer_class is not None

    @property
    def loss_name(self) -> str:
        """The loss of answers whose truth came back."""
        return self.loss or "Brier loss"


class Judged(Loose):
    """The judge's answer; see `services.judge.verdict.Verdict.to_dict`."""

    verdict: str
    reason: str = ""
    signals: tuple[SignalLine, ...] = ()


class Look(Loose):
    """A line of `record/verdicts.jsonl`: one look at the evidence."""

    at: float
    version: str
    weight: float
    verdict: Judged


class Answered(Loose):
    """The answers that callers got from one version in one second."""

    requests: int
    failed: int = 0
    p99_ms: float | None = None
    mean_probability: float | None = None
    mean_value: float | None = None

    @property
    def mean(self) -> float | None:
        """The mean of what was answered, whatever that is."""
        return self.mean_probability if self.mean_value is None else self.mean_value


class Second(Loose):
    """A line of `record/traffic/seconds.jsonl`, written at the end of each second; see `tests/load/tally.py`."""

    at: float
    seconds: float = 1.0
    versions: dict[str, Answered]


class Summary(Loose):
    """`summary.json`."""

    ok: bool
    story: Story


_Model = TypeVar("_Model", bound=BaseModel)
_Timed = TypeVar("_Timed", EventLine, Look, Second)


def read_summary(home: Path) -> Summary:
    """The demo's summary.

    Raises:
        MissingPartError: the summary is missing or malformed, for example because the demo ended early.
    """
    document = read_json(home / "summary.json", home)
    try:
        return Summary(ok=document.get("ok") is True, story=TypeAdapter(Story).validate_python(document))
    except ValidationError as error:
        raise MissingPartError(_fault("summary.json", error)) from error


def read_started(home: Path) -> float | None:
    """The start of the demo in seconds since 1970; None when it was not recorded."""
    try:
        started = read_json(home / "record" / "clock.json", home).get("started")
    except MissingPartError:
        return None
    return float(started) if isinstance(started, int | float) else None


def read_lines(home: Path, name: str, model: type[_Timed]) -> list[_Timed]:
    """The lines of a file below `home`, in order of time.

    Raises:
        MissingPartError: the file is missing or empty, or one of its lines cannot be read.
    """
    lines = _text(home / name, home).splitlines()
    if not lines:
        raise MissingPartError(f"{name} is empty.")
    started = read_started(home)
    read = [parsed for at, line in enumerate(lines, 1) if (parsed := _line(line, at, len(lines), name, model))]
    return sorted((_since(entry, started) for entry in read), key=lambda entry: entry.at)


def _line(line: str, at: int, last: int, name: str, model: type[_Timed]) -> _Timed | None:
    """A parsed line; None for a last line that was cut off when the demo was killed."""
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        if at == last > 1 and error.errors()[0]["type"] == "json_invalid":
            return None
        raise MissingPartError(_fault(f"{name}, line {at}", error)) from error


def _since(entry: _Timed, started: float | None) -> _Timed:
    if entry.at < _EPOCH:
        return entry
    if started is None:
        raise MissingPartError("record/clock.json does not say when the demo began, so no time can be placed.")
    return entry.model_copy(update={"at": entry.at - started})


def read_model(path: Path, home: Path, model: type[_Model]) -> _Model:
    """A JSON file as one model.

    Raises:
        MissingPartError: the file is missing or does not match the model.
    """
    try:
        return model.model_validate(read_json(path, home))
    except ValidationError as error:
        raise MissingPartError(_fault(_name(path, home), error)) from error


def read_json(path: Path, home: Path) -> dict[str, Any]:
    """A JSON object read from a file.

    Raises:
        MissingPartError: the file is missing or does not hold a JSON object.
    """
    try:
        document = json.loads(_text(path, home))
    except ValueError as error:
        raise MissingPartError(f"{_name(path, home)} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise MissingPartError(f"{_name(path, home)} is not a JSON object.")
    return document


def _text(path: Path, home: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MissingPartError(f"{_name(path, home)} is not there: the demo did not come that far.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise MissingPartError(f"{_name(path, home)} cannot be read: {error}.") from error


def _name(path: Path, home: Path) -> str:
    return str(path.relative_to(home)) if path.is_relative_to(home) else path.name


def _fault(name: str, error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{name} cannot be read: {place + ': ' if place else ''}{fault['msg']}."
