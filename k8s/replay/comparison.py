"""Compares a kept package with its rebuilt copy, and names the causes of any difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.features.encoding import encode_rows
from components.models.machine import Machine
from components.package.answers import furthest, outputs_of
from components.package.model_package import RECEIPT, Package, Receipt, open_graph

Verdict = Literal["equal", "within tolerance", "refused"]


@dataclass(frozen=True)
class Answers:
    """The distance between a model's golden answers and the recorded ones."""

    count: int
    furthest: float
    tolerance: float

    @property
    def agree(self) -> bool:
        """True if every answer is within the tolerance; a distance of NaN is not."""
        return self.furthest <= self.tolerance

    @property
    def says(self) -> str:
        """The distance in words."""
        return f"{self.count} golden requests, at most {self.furthest:.1e} off, {self.tolerance:.0e} is allowed"


@dataclass(frozen=True)
class RebuildComparison:
    """The comparison of a kept package with a rebuilt one.

    Attributes:
        different: files of the package and entries of its receipt that differ.
        kept: the kept model's answers on this machine.
        rebuilt: the rebuilt model's answers.
        causes: one phrase for each cause of the difference; empty if the packages are equal or no cause is known.
    """

    digest: str
    different: tuple[str, ...]
    kept: Answers
    rebuilt: Answers
    causes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Equal, or within the tolerance for a known cause; everything else is refused."""
        if not (self.kept.agree and self.rebuilt.agree):
            return "refused"
        if not self.different:
            return "equal"
        return "within tolerance" if self.causes else "refused"


def answers(recorded: Package, asked: Package) -> Answers:
    """Sends a package's golden requests to a model and compares the answers with the recorded ones."""
    requests = [row.request for row in recorded.golden]
    wanted = outputs_of([row.answer for row in recorded.golden])
    given = open_graph(asked).predict(encode_rows(asked.contract.encoding, requests))
    return Answers(len(requests), furthest(given, wanted), recorded.receipt.tolerance)


def compare(kept: Package, rebuilt: Package, there: Machine | None, here: Machine | None) -> RebuildComparison:
    """Compares two packages; the kept one was made on the machine `there`, the rebuilt one on `here`."""
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
    """The causes that excuse a difference; there are none if any input of the training differs."""
    inputs = ("name", "data", "code", "lock", "spec", "champion", "run", "tolerance")
    if any(getattr(kept, name) != getattr(rebuilt, name) for name in inputs) or there is None or here is None:
        return ()
    changed = there.differences(here)
    if changed:
        return tuple(changed)
    return (
        f"nothing that was recorded differs, so the {kept.candidate} trainer itself does not repeat to the last bit",
    )
