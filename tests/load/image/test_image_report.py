from __future__ import annotations

import pytest

from tests.load.image.report import Round, median_ratio, median_seconds, shortfalls, table

LAYERS = (["a", "b", "one"], ["a", "b", "two"])


def test_the_median_of_the_rounds_counts() -> None:
    rounds = [Round(4.0, 20.0), Round(9.0, 18.0), Round(3.0, 24.0)]
    assert median_seconds(rounds) == 4.0
    assert median_ratio(rounds) == 5.0
    assert shortfalls(rounds, LAYERS) == []
    assert table(rounds).splitlines()[1].split() == ["1", "4.0", "20.0", "5.0x"]


def test_without_an_engine_there_is_no_ratio() -> None:
    rounds = [Round(2.0, None)]
    assert median_ratio(rounds) is None
    assert table(rounds).splitlines()[1].split() == ["1", "2.0", "-"]


def test_slow_images_are_a_shortfall() -> None:
    assert shortfalls([Round(5.0, None)], LAYERS) == []
    assert shortfalls([Round(5.1, None)], LAYERS) == ["an image takes 5.1 s, and at most 5 are allowed"]


@pytest.mark.parametrize("second", [["a", "c", "two"], ["a", "b", "one"], ["a", "b"]])
def test_two_images_share_all_layers_but_one(second: list[str]) -> None:
    assert "all but one are wanted" in shortfalls([Round(1, None)], (LAYERS[0], second))[0]
