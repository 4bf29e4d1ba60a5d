from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from components.errors import PackageError
from components.package.model_package import FILES, POPULATION, read_package
from components.package.population import (
    MOST_BINS,
    CategoryBins,
    CountedFeature,
    ExpectedShift,
    NumberBins,
)
from components.package.population_fit import BinnedFeature, bin_number, fitted
from components.spec.contract import SCORE_EDGES
from tests.population_package import CHAMPION, NONE, at, population, written

CENTS = NumberBins(kind="number", factor=0.01, low=0, high=100, edges=(10.0, 50.0), missing=True)


def test_it_is_one_more_file_under_the_same_digest(tmp_path: Path) -> None:
    package = written(tmp_path / "p", population())
    assert package.files == (*FILES, POPULATION)
    assert read_package(package.path).population == population()
    assert package.receipt.files.keys() == set(package.files) - {"receipt.json"}
    assert written(tmp_path / "without", None).digest != package.digest


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text(path.read_text() + " ")])
def test_it_cannot_be_changed_or_taken_out(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    package = written(tmp_path / "p", population())
    change(package.path / POPULATION)
    with pytest.raises(PackageError, match=r"population.json: was changed"):
        read_package(package.path)


def test_one_about_another_champion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="another champion"):
        written(tmp_path / "p", population(), champion="sha256:" + "d" * 64)


def test_one_about_a_feature_that_nobody_sends_is_refused(tmp_path: Path) -> None:
    known = population(age=CountedFeature(bins=CENTS, shares=(0.25,) * 4, effects=(NONE,) * 4))
    with pytest.raises(PackageError, match="'age' is no number feature of the contract"):
        written(tmp_path / "p", known)


def test_more_bins_than_a_server_counts_are_refused() -> None:
    bins = NumberBins(kind="number", low=0, high=999, edges=tuple(map(float, range(MOST_BINS))), missing=False)
    with pytest.raises(ValidationError, match=f"{MOST_BINS + 1} bins are too many"):
        population(age=CountedFeature(bins=bins, shares=(0.1,) * (MOST_BINS + 1), effects=(NONE,) * (MOST_BINS + 1)))


def test_a_bin_without_rows_is_refused() -> None:
    with pytest.raises(ValidationError, match="each with a share above 0"):
        CountedFeature(bins=CENTS, shares=(0.5, 0.5, 0.0, 0.0), effects=(NONE,) * 4)


@pytest.mark.parametrize(
    ("cents", "place"), [(0, 7), (1000, 7), (1001, 8), (5000, 8), (9999, 9), (None, 10), (10001, -1), (-1, -1)]
)
def test_numbers_are_read_in_the_champions_unit(cents: float | None, place: int) -> None:
    assert CENTS.finder(7, ())(cents) == place


def test_a_gap_where_the_holdout_has_none_is_unlike_it() -> None:
    assert CENTS.model_copy(update={"missing": False}).finder(7, ())(None) == -1


def test_dates_are_days() -> None:
    bins = NumberBins(kind="date", low=0, high=20000, edges=(365.5,), missing=False)
    assert [bins.finder(0, ())(day) for day in ("1970-06-01", "1971-01-02", "2050-01-01")] == [0, 1, -1]


def test_categories_are_compared_by_their_spelling() -> None:
    bins = CategoryBins(kind="category", values=("1", "true"), missing=True)
    find = bins.finder(3, (1, 0, True, False))
    assert [find(value) for value in (1, True, None, 0, False)] == [3, 4, 5, -1, -1]
    assert [bins.finder(3, (1, 0))(value) for value in (1, None, 0)] == [3, 5, -1]


def test_what_is_expected_follows_the_inputs() -> None:
    """Bins of one feature: what is expected is the mean of the bins' differences, weighted like the inputs."""
    live = ExpectedShift(population()).of([300, 100])
    assert live is not None
    assert live.shift[10] == pytest.approx(0.2 + 0.25 * 0.1 + 0.25 * 0.1)
    chance = 1 / 400 + 1 / 100
    assert live.distance == {"contract": pytest.approx(0.25**2 / 0.5 * 2 - chance)}
    worth = (1 + 0.25 - chance) ** 0.5
    assert (live.unexplained[10], live.sampled[10]) == pytest.approx((0.01 * worth, 0.1 * worth / 20))
    assert ExpectedShift(population()).of([0, 0]) is None


def test_inputs_like_the_holdout_are_expected_as_on_it() -> None:
    live = ExpectedShift(population()).of([50, 50])
    assert live is not None
    assert live.shift == at(10, 0.2)
    assert live.distance == {"contract": 0}


def test_the_fit_of_one_feature_is_the_means_of_its_bins() -> None:
    """Raking to one feature weights its bins; the fit gives the same, but for a ridge of a row."""
    rng = np.random.default_rng(0)
    binned = bin_number("number", 1.0, rng.normal(size=1600))
    assert binned is not None
    apart = np.zeros((1600, len(SCORE_EDGES)))
    apart[:, 10] = rng.random(1600) < binned.places / 40
    known = fitted(CHAMPION, {"x": binned}, apart)
    assert known is not None
    counts = np.arange(1, binned.bins.number + 1) * 10
    means = [apart[binned.places == place, 10].mean() for place in range(binned.bins.number)]
    live = ExpectedShift(known).of(counts.tolist())
    assert live is not None
    assert live.shift[10] == pytest.approx(np.average(means, weights=counts), abs=0.002)


def test_two_features_that_go_together_do_not_count_twice() -> None:
    rng = np.random.default_rng(0)
    places = rng.integers(0, 2, 1000)
    feature = BinnedFeature(CategoryBins(kind="category", values=("a", "b"), missing=False), places)
    apart = np.zeros((1000, len(SCORE_EDGES)))
    apart[:, 10] = 0.3 * places
    known = fitted(CHAMPION, {"x": feature, "same": feature}, apart)
    assert known is not None
    live = ExpectedShift(known).of([0, 100, 0, 100])
    assert live is not None
    assert live.shift[10] == pytest.approx(0.3, abs=0.001)


def test_no_bin_tells_of_single_persons() -> None:
    """Neither bins with fewer than five rows, nor the outermost values, of which one person may be the only one."""
    cells = np.concatenate([np.arange(500.0), [1e6]])
    binned = bin_number("number", 1.0, cells)
    assert binned is not None
    assert isinstance(binned.bins, NumberBins)
    assert np.bincount(binned.places[binned.places >= 0]).min() >= 5
    assert binned.places[-1] == -1
    assert binned.bins.high < 1000
    few = replace(binned, places=np.where(binned.places == 3, -1, binned.places))
    assert fitted(CHAMPION, {"x": few}, np.zeros((501, len(SCORE_EDGES)))) is None
