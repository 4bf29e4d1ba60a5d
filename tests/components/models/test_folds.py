from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import DataError
from components.features.encoding import fit_encoding
from components.models.folds import make_folds, stratified_parts, thin
from components.table.holdout import content_keys
from tests.components.small_table import small_examples, small_spec

TRAINING = small_spec().training.model_dump()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=20, max_size=120), st.integers(2, 5))
def test_equal_keys_share_a_part_and_classes_are_even(rows: list[tuple[int, bool]], parts: int) -> None:
    keys = np.array([key for key, _ in rows], dtype=np.uint64)
    labels = np.array([label for _, label in rows], dtype=np.int8)
    dealt = stratified_parts(keys, labels, parts, seed=7)
    for key in np.unique(keys):
        assert len(set(dealt[keys == key].tolist())) == 1
    with_positive = {key: labels[keys == key].any() for key in np.unique(keys)}
    for kind in (True, False):
        counts = np.bincount([dealt[keys == k][0] for k, v in with_positive.items() if v == kind], minlength=parts)
        assert counts.max() - counts.min() <= 1


def test_every_row_is_checked_once_and_encoded_by_the_others() -> None:
    """Every row is scored once, with an encoding fitted only to the other rows."""
    spec = small_spec(training={**TRAINING, "folds": 3})
    examples = small_examples(300, spec)
    folds = make_folds(examples, spec)
    assert sum(len(fold.check) for fold in folds) == 300
    assert all(len(fold.fit) + len(fold.check) == 300 for fold in folds)
    # The rows to fit to define the standardisation, so their mean is 0 and that of the others is not.
    width = fit_encoding(spec.features, examples.columns).columns.index("spend")
    for fold in folds:
        assert abs(fold.fit[:, width].mean()) < 1e-6 < abs(fold.check[:, width].mean())


def test_in_time_every_fold_is_checked_on_later_rows() -> None:
    spec = small_spec(split={"time": "since"}, training={**TRAINING, "folds": 3})
    examples = small_examples(400, spec)
    width = fit_encoding(spec.features, examples.columns).columns.index("since")
    sizes = [len(fold.fit) for fold in make_folds(examples, spec)]
    assert sizes == [100, 200, 300]
    for fold in make_folds(examples, spec):
        assert fold.fit[:, width].max() <= fold.check[:, width].min()


def test_too_few_rows_for_the_folds_say_so() -> None:
    spec = small_spec(training={**TRAINING, "folds": 20})
    examples = small_examples(40, spec)
    few = examples.take(np.concatenate([np.flatnonzero(examples.labels)[:3], np.flatnonzero(examples.labels == 0)]))
    with pytest.raises(DataError, match=r"of 20 has rows of one class only.*training\.folds lower"):
        make_folds(few, spec)


def test_a_large_table_is_thinned_by_whole_keys() -> None:
    examples = small_examples(200).take(np.repeat(np.arange(200), 3))
    keys = content_keys(examples.columns)
    few = thin(examples, keys, 150)
    assert 140 < len(few) <= 150
    assert len(few) == 3 * len(set(few.frame["note"]))
    assert thin(examples, keys, 600) is examples
