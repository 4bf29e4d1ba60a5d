"""The seconds that images took, the ratios of the two ways, and whether the limits hold."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: A model's image, from its package to its signature in the registry, takes at most this once the base is there.
MUST_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Round:
    """The seconds of one image each way; None where there was no engine for the old way."""

    layer: float
    engine: float | None


def median_seconds(rounds: Sequence[Round]) -> float:
    """The median of the layer's seconds."""
    return statistics.median(one.layer for one in rounds)


def median_ratio(rounds: Sequence[Round]) -> float | None:
    """The median over the rounds of how many times longer an engine took; None without one."""
    ratios = [one.engine / one.layer for one in rounds if one.engine is not None]
    return statistics.median(ratios) if ratios else None


def table(rounds: Sequence[Round]) -> str:
    """The rounds as text."""
    lines = [f"{'round':>5}{'layer s':>10}{'engine s':>10}{'ratio':>8}"]
    for number, one in enumerate(rounds, 1):
        engine = f"{one.engine:>10.1f}{one.engine / one.layer:>7.1f}x" if one.engine is not None else f"{'-':>10}"
        lines.append(f"{number:>5}{one.layer:>10.1f}{engine}")
    return "\n".join(lines)


def shortfalls(rounds: Sequence[Round], layers: tuple[Sequence[str], Sequence[str]]) -> list[str]:
    """What is missing from the limits; `layers` are the digests of two models' layers."""
    found = []
    if median_seconds(rounds) > MUST_SECONDS:
        found.append(f"an image takes {median_seconds(rounds):.1f} s, and at most {MUST_SECONDS:g} are allowed")
    first, second = layers
    shared = len(set(first) & set(second))
    if len(first) != len(second) or shared != len(first) - 1:
        found.append(f"two models' images share {shared} of {len(first)} layers; all but one are wanted")
    return found
