"""Inspects a table and writes a first spec for it, with remarks on what a person should check.

    python -m components.profile --name attrition --data table.csv --target Attrition [--positive Yes] \
      [--task multiclass] [--traffic low] [--label-delay 5m]

It exits with 0 and leaves `services/<name>/service.yaml`, or exits with 2 and one sentence and leaves nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import cast, get_args

from components.errors import ComponentError, SpecError
from components.profile.baseline import Baseline
from components.profile.drafting import ChosenTarget, draft_spec
from components.profile.placing import place, placed_uri, refuse_taken
from components.profile.target import ClassColumn, TargetColumn
from components.profile.writing import Draft, LiveTraffic, spec_text
from components.spec.quantities import seconds
from components.spec.tasks import Task
from components.spec.traffic_settings import TRAFFIC_SETTINGS
from components.table.cells import parse_table, read_bytes
from components.table.wording import TableReading

#: So long nothing is told of what goes on.
_QUIET_SECONDS = 2.0


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        live = live_traffic(options.traffic, options.label_delay)
        asked = ChosenTarget(options.target, options.positive, chosen_task(options.task))
        for line in make_spec(options.name, options.data, asked, options.services, live):
            print(line)
    except ComponentError as error:
        print(f"make new: {error}", file=sys.stderr)
        return 2
    return 0


def live_traffic(setting: str, label_delay: str | None) -> LiveTraffic:
    """The rollout of a named setting, and the labels' delay in seconds.

    Raises:
        SpecError: there is no such setting, or the delay is no length of time.
    """
    if setting not in TRAFFIC_SETTINGS:
        raise SpecError(f"TRAFFIC={setting} is no setting; allowed are {' and '.join(TRAFFIC_SETTINGS)}")
    try:
        delay = None if label_delay is None else seconds(label_delay)
    except ValueError as error:
        raise SpecError(f"LABEL_DELAY={label_delay}: {error}") from error
    return LiveTraffic(TRAFFIC_SETTINGS[setting], delay)


def chosen_task(task: str | None) -> Task | None:
    """The task that a person named, if any.

    Raises:
        SpecError: there is no such task.
    """
    if task is None:
        return None
    for known in get_args(Task):
        if task == known:
            return cast("Task", known)
    raise SpecError(f"TASK={task} is no task; allowed are {', '.join(get_args(Task))}")


def make_spec(name: str, data: str, asked: ChosenTarget, services: Path, live: LiveTraffic) -> list[str]:
    """Writes the first spec of a table; returns the remarks for a person.

    Raises:
        ComponentError: no model can be trained on the table, or the name is taken.
    """
    home = services / name
    refuse_taken(services, name)
    table = parse_table(read_bytes(data), data, TableReading(target=asked.target))
    uri, copied = placed_uri(data, home)
    rows, width = table.frame.shape
    print(f"read {rows:,} rows of {width:,} columns", flush=True)
    progress = _Progress()
    draft = draft_spec(name, uri, table.frame, asked, live, progress)
    place(home, spec_text(draft), copied)
    told = [f"note: {note}" for note in table.notes]
    if draft.rows < rows:
        told.append(f"note: {rows - draft.rows:,} rows have no target, and are left out")
    return [*told, *_summary(draft, home)]


class _Progress:
    """Tells on the error stream what a long look is at; a short one says nothing."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= _QUIET_SECONDS:
            print(text, file=sys.stderr, flush=True)
            self._last = now


def _summary(draft: Draft, home: Path) -> list[str]:
    features = [column.feature.type for column in draft.columns if column.feature]
    counts = ", ".join(f"{features.count(kind)} {kind}" for kind in ("number", "category", "date") if kind in features)
    return [
        _target(draft),
        f"features: {counts}",
        *_left_out(draft),
        *_to_look_at(draft),
        *_not_judged(draft),
        *_few_kinds(draft),
        _plain(draft),
        *_nothing_told(draft),
        f"wrote {home / 'service.yaml'}: look at its TODOs, then run `make demo SERVICE={draft.name}`",
    ]


def _target(draft: Draft) -> str:
    target = draft.target
    if isinstance(target, TargetColumn):
        share = f"{target.positives / draft.rows:.1%} of the rows"
        return f"target {target.name!r}: positive is {target.positive!r} ({target.reason}), {share}"
    task = f"{len(target.classes)} classes" if isinstance(target, ClassColumn) else "a number"
    return f"target {target.name!r}: {task} ({target.reason})"


def _plain(draft: Draft) -> str:
    plain = draft.baseline
    if isinstance(plain, Baseline):
        return f"a plain logistic regression reaches AUC {plain.roc_auc:.3f}; the gate is {plain.smallest_auc}"
    kind, loss = ("linear", "mean absolute error") if plain.relative else ("logistic", "log loss")
    return f"a plain {kind} regression has a {loss} of {plain.loss:.4g}; the gate is {plain.largest_loss_allowed:g}"


def _not_judged(draft: Draft) -> list[str]:
    if draft.live.labels_in_time:
        return []
    return ["labels that come back are not judged (label_loss: null); a remark in the spec says why"]


def _few_kinds(draft: Draft) -> list[str]:
    if draft.duplicates == "together":
        return []
    return ["few different rows: equal ones are dealt to training part and hold-out one by one (split.duplicates)"]


def _nothing_told(draft: Draft) -> list[str]:
    if not draft.baseline.tells_nothing:
        return []
    return [f"the columns tell this model nothing of {draft.target.name!r}: it guesses. Are the right columns here?"]


def _to_look_at(draft: Draft) -> list[str]:
    told = [column for column in draft.columns if column.feature and column.telling]
    return ["features, please look at them:"] * bool(told) + [f"  {c.name!r}: {c.remark}" for c in told]


def _left_out(draft: Draft) -> list[str]:
    places = {"id": "data.id", "ignore": "ignored"}
    out = [column for column in draft.columns if column.feature is None]
    return ["no features, please look at them:"] * bool(out) + [
        f"  {c.name!r} ({places[c.role]}): {c.remark}" for c in out
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make new", description="writes a first spec for a table")
    parser.add_argument("--name", required=True, help="the new service's name")
    parser.add_argument("--data", required=True, help="a CSV or Parquet file, by path or URI")
    parser.add_argument("--target", required=True, help="the column to predict")
    parser.add_argument("--positive", help="the target's value whose probability the model answers")
    parser.add_argument("--task", help="binary, multiclass or regression; by default what the target suggests")
    parser.add_argument("--traffic", default="usual", help="usual, or low: about 100 requests a day")
    parser.add_argument("--label-delay", help="how long after an answer its label comes, such as 5m or 2h")
    parser.add_argument("--services", type=Path, default=Path("services"), help="the folder of all services")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
