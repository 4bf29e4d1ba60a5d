"""What was counted between neighbouring samples: from one time to another, with a row of numbers for each such step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.judge.evidence.series import Rows

#: From one time to another (Unix seconds).
Span = tuple[float, float]


@dataclass(frozen=True)
class Steps:
    """Counts between neighbouring samples: from `starts` to `ends`, one row of `rows` for each."""

    starts: Rows
    ends: Rows
    rows: Rows

    def where(self, chosen: NDArray[np.bool_]) -> Steps:
        """The chosen steps."""
        return Steps(self.starts[chosen], self.ends[chosen], self.rows[chosen])

    def within(self, start: float, end: float) -> NDArray[np.bool_]:
        """Which steps lie wholly between two times."""
        return (self.starts >= start) & (self.ends <= end)

    def part(self, start: float, end: float) -> Rows:
        """The part of each step that lies between two times."""
        shared = np.clip(np.minimum(self.ends, end) - np.maximum(self.starts, start), 0, None)
        part: Rows = shared / np.maximum(self.ends - self.starts, 1e-9)
        return part

    def part_of(self, spans: Iterable[Span]) -> Rows:
        """The part of each step that lies in any of the spans."""
        part: Rows = np.sum([np.zeros(len(self.starts)), *(self.part(*span) for span in _apart(spans))], axis=0)
        return part

    def times(self, parts: Rows) -> Steps:
        """The same steps, of which each counts in part."""
        return Steps(self.starts, self.ends, self.rows * parts[:, None])


def together(steps: Sequence[Steps], columns: int) -> Steps:
    """All of them; none has no steps, with so many columns."""
    starts, ends = (
        np.concatenate([np.zeros(0), *(getattr(one, each) for one in steps)]) for each in ("starts", "ends")
    )
    return Steps(starts, ends, np.concatenate([np.zeros((0, columns)), *(one.rows for one in steps)]))


def _apart(spans: Iterable[Span]) -> list[Span]:
    """The same spans without overlaps."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found
