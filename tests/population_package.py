"""Packages with a population: a hold-out of two contracts, between which two versions differ at one edge."""

from __future__ import annotations

from pathlib import Path

from components.package.model_package import Holdout, Package, write_package
from components.package.population import CategoryBins, CountedFeature, Population
from components.spec.contract import SCORE_EDGES
from tests.small_package import golden_rows, logistic_graph, small_contract, write_small_package

CHAMPION = "sha256:" + "c" * 64
NONE = (0.0,) * len(SCORE_EDGES)


def at(edge: int, value: float) -> tuple[float, ...]:
    return tuple(value if place == edge else 0.0 for place in range(len(SCORE_EDGES)))


def population(champion: str = CHAMPION, **features: CountedFeature) -> Population:
    """A hold-out of 100 rows with as many in each of the contracts; only at edge 10 they differ."""
    plan = CountedFeature(
        bins=CategoryBins(kind="category", values=("Month-to-month", "One year"), missing=False),
        shares=(0.5, 0.5),
        effects=(at(10, 0.1), at(10, -0.1)),
    )
    known = features or {"contract": plan}
    return Population(
        champion=champion, rows=100, features=known, shift=at(10, 0.2), unexplained=at(10, 0.01), spread=at(10, 0.1)
    )


def written(folder: Path, known: Population | None, champion: str | None = CHAMPION) -> Package:
    made = write_small_package(folder.with_name("draft-" + folder.name))
    contract = small_contract()
    return write_package(
        folder,
        model=logistic_graph(contract.encoding),
        contract=contract,
        golden=golden_rows(contract),
        holdout=Holdout(rows=7, champion=champion, scores=made.holdout.scores),
        receipt=made.receipt.model_copy(update={"files": {}}),
        population=known,
    )
