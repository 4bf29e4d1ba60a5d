"""Labels needed in pairs and without, for two versions whose losses go together as those of the demo's versions do.

Version 1 and 2 of the churn demo, on the 1,366 rows of its hold-out: a Brier loss of 0.140 and 0.137, a standard
deviation of 0.20 each, of 0.061 for the difference, a correlation of 0.955. The versions here have 0.21, 0.063, 0.955.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from components.spec.contract import BRIER_LOSSES, SCORE_EDGES, Harm
from services.judge.simulate.claims import Claim
from services.judge.simulate.world import interpolated
from services.judge.statistics.assess import is_harm, is_safe
from services.judge.statistics.evalue import Arms, Array
from services.judge.statistics.paired import paired_signals
from services.judge.statistics.signals import judged_signals

#: The logarithm of a caller's true odds, and each version's error in it.
_ODDS: Final = (-1.8, 1.6)
_ERROR: Final = 0.31
_REQUESTS: Final = 400_000
_MARGIN: Final = 0.02
_FALSE_ALARM: Final = 0.01
#: Labels of both versions together; the weight is the best for a comparison without pairs.
_WEIGHT: Final = 0.5
_MOST_LABELS: Final = 200_000
#: A look comes when there are so many more labels than at the last.
_GROWTH: Final = 1.03
LEAST_TIMES: Final = 7.0


@dataclass(frozen=True)
class PairsRow:
    """Labels until the decision, the median over rollouts; `excess` is in margins."""

    kind: str
    excess: float
    paired: float
    unpaired: float

    @property
    def times(self) -> float:
        """How many times fewer labels the pairs need."""
        return self.unpaired / self.paired


def pairs_rows(rollouts: int, seed: int) -> list[PairsRow]:
    """One row for a version as good as the champion, and one for twice the margin."""
    rng = np.random.default_rng(seed)
    harm = Harm(slow_ratio=None, score_shift=None, label_loss=_MARGIN)
    (paired,) = paired_signals(harm, _FALSE_ALARM / 2, None)
    unpaired = next(signal for signal in judged_signals(harm, _FALSE_ALARM, None) if signal.name == "label_loss")
    rows = []
    for kind, excess in (("as good: promoted", 0.0), ("twice the margin worse: failed", 2.0)):
        pairs = simulated_pairs(rng, excess * _MARGIN)

        def pairs_end(counts: Array, excess: float = excess) -> Array:
            needed = paired.false_alarm if excess else _FALSE_ALARM
            evidence = paired.log_harm if excess else paired.log_safe
            return np.asarray(evidence(counts[:, None], _MARGIN) >= -math.log(needed))

        def arms_end(counts: Array, excess: float = excess) -> Array:
            canary, champion = counts.reshape(len(counts), 2, 1, -1).swapaxes(0, 1)
            arms = [Arms(_WEIGHT, canary, champion)]
            return np.asarray(is_harm(unpaired, arms) if excess else is_safe(unpaired, arms, 1.0, _FALSE_ALARM))

        ours, theirs = pairs.losses
        differences = interpolated(theirs - ours, np.array(paired.values))
        sides = np.stack([interpolated(side, np.array(unpaired.values)) for side in (theirs, ours)])
        rows.append(
            PairsRow(
                kind,
                excess,
                _median(rng, differences / differences.sum(), rollouts, pairs_end),
                _median(rng, sides.ravel() / sides.sum(), rollouts, arms_end),
            )
        )
    return rows


def pairs_claims(rows: list[PairsRow]) -> list[Claim]:
    """The pairs need at least seven times fewer labels."""
    worst = max(row.paired / row.unpaired for row in rows)
    return [Claim("labels in pairs, as a part of those without", worst, 1 / LEAST_TIMES)]


def pairs_table(rows: list[PairsRow]) -> Table:
    """The table of the rows."""
    table = Table(title="labels needed, median; both versions' losses go together as in the demo (0.955)")
    for name in ("version", "in pairs", "without, half and half", "times fewer"):
        table.add_column(name, justify="left" if name == "version" else "right")
    for row in rows:
        table.add_row(row.kind, f"{row.paired:,.0f}", f"{row.unpaired:,.0f}", f"{row.times:.1f}")
    return table


@dataclass(frozen=True)
class SimulatedPairs:
    """Many requests that both versions answered: the champion's score bins and losses, and the new version's."""

    bins: tuple[NDArray[np.intp], NDArray[np.intp]]
    losses: tuple[Array, Array]


def simulated_pairs(rng: np.random.Generator, excess: float) -> SimulatedPairs:
    """Pairs of a new version whose mean loss is higher by `excess`: it answers a part with the score of another one."""
    odds = rng.normal(*_ODDS, _REQUESTS)
    positive = rng.random(_REQUESTS) < 1 / (1 + np.exp(-odds))
    ours, theirs = (_bins(odds + rng.normal(0, _ERROR, _REQUESTS)) for _ in range(2))
    others, losses = rng.permutation(theirs), np.array(BRIER_LOSSES)
    whole = (losses[2 * others + positive] - losses[2 * theirs + positive]).mean()
    theirs = np.where(rng.random(_REQUESTS) < excess / whole, others, theirs)
    return SimulatedPairs((ours, theirs), (losses[2 * ours + positive], losses[2 * theirs + positive]))


def _bins(odds: Array) -> NDArray[np.intp]:
    bins: NDArray[np.intp] = np.searchsorted(SCORE_EDGES, 1 / (1 + np.exp(-odds)))
    return bins


def _median(rng: np.random.Generator, shares: Array, rollouts: int, ended: Callable[[Array], Array]) -> float:
    """The median number of labels until `ended`, over rollouts whose labels fall into cells with these shares."""
    counts, needed, total = np.zeros((rollouts, len(shares))), np.full(rollouts, np.inf), 0
    while total < _MOST_LABELS and np.isinf(needed).mean() > 0.4:
        more = max(int(total * (_GROWTH - 1)), 10)
        total += more
        counts += rng.multinomial(more, shares / shares.sum(), rollouts)
        needed = np.where(np.isinf(needed) & ended(counts), total, needed)
    return float(np.median(needed))
