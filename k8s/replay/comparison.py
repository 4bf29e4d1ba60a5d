"""What is equal between a kept package and the one that was made again, and why something is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.features.encoding import encode_rows
from components.models.machine import Machine
from components.package.model_package import RECEIPT, Package, Receipt, open_graph

Verdict = Literal["equal", "within tolerance", "refused"]


@dataclass(frozen=True)
class Answers:
    """How far the golden answers of a package lie from those that were recorded."""

    count: int
    furthest: float
    tolerance: float

    @property
    def agree(self) -> bool:
        """Whether every answer is within the tolerance; a distance that is no number is not."""
        return self.furthest <= self.tolerance

    @property
    def says(self) -> str:
        """The distance in words."""
        return f"{self.count} golden requests, at most {self.furthest:.1e} off, {self.tolerance:.0e} is allowed"


@dataclass(frozen=True)
class RebuildComparison:
    """A kept package beside a rebuilt one.

    Attributes:
        different: files of the package that are not equal, and entries of its receipt.
        kept: what the kept model answers now.
        rebuilt: what the rebuilt model answers.
        causes: why the two are not equal, a phrase each; none when they are, or when no cause is known.
    """

    digest: str
    different: tuple[str, ...]
    kept: Answers
    rebuilt: Answers
    causes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Equal, or within the tolerance for a cause that has a name; everything else is refused."""
        if not (self.kept.agree and self.rebuilt.agree):
            return "refused"
        if not self.different:
            return "equal"
        return "within tolerance" if self.causes else "refused"


def answers(recorded: Package, asked: Package) -> Answers:
    """Asks a model the golden requests of a package and compares with the answers recorded there."""
    requests = [row.request for row in recorded.golden]
    wanted = np.array([row.answer.probability for row in recorded.golden])
    given = open_graph(asked).probabilities(encode_rows(asked.contract.encoding, requests)).astype(np.float64)
    return Answers(len(requests), float(np.abs(given - wanted).max()), recorded.receipt.tolerance)


def compare(kept: Package, rebuilt: Package, there: Machine | None, here: Machine | None) -> RebuildComparison:
    """The comparison; `there` is the machine that made the kept package, `here` the one that made it again."""
    different = () if kept.digest == rebuilt.digest else _different(kept.receipt, rebuilt.receipt)
    causes = _causes(kept.receipt, rebuilt.receipt, there, here) if different else ()
    return RebuildComparison(rebuilt.digest, different, answers(kept, kept), answers(kept, rebuilt), causes)


def _different(kept: Receipt, rebuilt: Receipt) -> tuple[str, ...]:
    files = [name for name in sorted(kept.files | rebuilt.files) if kept.files.get(name) != rebuilt.files.get(name)]
    entries = [
        name for name in Receipt.model_fields if name != "files" and getattr(kept, name) != getattr(rebuilt, name)
    ]
    return (*files, *(f"{RECEIPT}: {name}" for name in entries), *(() if files or entries else (RECEIPT,)))


def _causes(kept: Receipt, rebuilt: Receipt, there: Machine | None, here: Machine | None) -> tuple[str, ...]:
    """An input of the training that differs is no cause that excuses: nothing of it may."""
    inputs = ("name", "data", "code", "lock", "spec", "champion", "run", "tolerance")
    if any(getattr(kept, name) != getattr(rebuilt, name) for name in inputs) or there is None or here is None:
        return ()
    changed = there.differences(here)
    if changed:
        return tuple(changed)
    return (
        f"nothing that was recorded differs, so the {kept.candidate} trainer itself does not repeat to the last bit",
    )
