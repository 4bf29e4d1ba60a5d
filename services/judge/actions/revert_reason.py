"""The reason in a revert's message: the judge's sentence and its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_SHOWN: Final = (
    *("state", "canary", "champion", "excess", "margin"),
    *("canary_observations", "champion_observations", "e_harm"),
)


def revert_reason(reason: str, signals: Iterable[object]) -> str:
    """The reason's sentence, and below it one line for each signal.

    `signals` is the list in `Verdict.to_dict`; it is empty where nothing was measured.
    """
    lines = [_signal_line(signal) for signal in signals if isinstance(signal, dict)]
    return "\n\n".join([reason, "\n".join(lines)]) if lines else reason


def _signal_line(signal: dict[str, object]) -> str:
    values = (f"{name} {_number(signal[name])}" for name in _SHOWN if signal.get(name) is not None)
    return f"- {signal.get('name')}: {', '.join(values)}"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
