from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from components.evaluation.population import fit_population
from components.models.trained import trained_package
from components.package.bins import ProbabilityBins, compared
from components.package.population import NumberBins, Population
from components.spec.contract import SCORE_EDGES
from components.table.examples import typed_columns
from tests.components.small_table import small_examples, small_spec
from tests.components.trained_small import packaged, small_model, trained

FEATURES = {name: small_spec().features[name] for name in ("größe", "plan", "since", "spend", "senior")}


def apart_of(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """What two versions' scores are compared by, row by row."""
    return compared(ProbabilityBins(), ours) - compared(ProbabilityBins(), theirs)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Population:
    folder: Path = tmp_path_factory.mktemp("packages")
    champion = packaged(folder / "champion", small_model(c=0.001))
    holdout = small_examples(3000)
    columns = typed_columns(holdout.frame, champion.contract.features)
    ours, theirs = trained(small_model()).score(columns), trained_package(champion).score(columns)
    found = fit_population(columns, champion, FEATURES, apart_of(ours, theirs))
    assert found is not None
    assert found.shift == pytest.approx(apart_of(ours, theirs).mean(0), abs=0.01)
    return found


def test_the_features_that_move_the_scores_are_kept(known: Population) -> None:
    assert next(iter(known.features)) == "größe"
    assert {"spend", "plan"} <= set(known.features)


def test_the_unit_is_the_champions(known: Population) -> None:
    bins = known.features["spend"].bins
    assert isinstance(bins, NumberBins)
    assert bins.factor == 0.01
    assert -100 < bins.low < 0 < bins.edges[0] < bins.edges[-1] < 400 < bins.high < 500


def test_gaps_have_a_bin_where_the_table_has_them(known: Population) -> None:
    assert [known.features[name].bins.missing for name in ("größe", "plan", "spend")] == [True, True, False]


def test_equal_versions_depend_on_nothing(tmp_path: Path) -> None:
    champion = packaged(tmp_path / "champion", small_model())
    columns = typed_columns(small_examples(600).frame, champion.contract.features)
    scores = trained(small_model()).score(columns)
    assert fit_population(columns, champion, FEATURES, apart_of(scores, scores)) is None


def test_a_feature_that_the_champion_does_not_know_is_left_out(tmp_path: Path) -> None:
    """In what unit callers send it is known from the new version alone, which may be wrong."""
    champion = packaged(tmp_path / "champion", small_model(c=0.001))
    columns = typed_columns(small_examples(600).frame, champion.contract.features)
    ours, theirs = trained(small_model()).score(columns), trained_package(champion).score(columns)
    found = fit_population(
        columns, champion, dict.fromkeys(("größe", "new"), FEATURES["größe"]), apart_of(ours, theirs)
    )
    assert found is not None
    assert list(found.features) == ["größe"]
    assert len(found.shift) == len(SCORE_EDGES)


def test_a_feature_whose_type_changes_is_left_out(tmp_path: Path) -> None:
    """Callers of the new version send values that the champion's bins cannot take."""
    champion = packaged(tmp_path / "champion", small_model(c=0.001))
    columns = typed_columns(small_examples(600).frame, champion.contract.features)
    ours, theirs = trained(small_model()).score(columns), trained_package(champion).score(columns)
    found = fit_population(
        columns, champion, {"größe": FEATURES["größe"], "spend": FEATURES["plan"]}, apart_of(ours, theirs)
    )
    assert found is not None
    assert list(found.features) == ["größe"]
