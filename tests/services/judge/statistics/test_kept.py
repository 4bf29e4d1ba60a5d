"""Results are kept while they fit, and are the same either way."""

from __future__ import annotations

from services.judge.statistics.kept import Kept


def test_a_result_is_computed_once_while_it_fits() -> None:
    asked: list[int] = []

    def doubled(number: int) -> bytes:
        asked.append(number)
        return bytes(2 * number)

    kept = Kept(doubled, 100, len)
    assert [len(kept(number)) for number in (10, 20, 10, 20)] == [20, 40, 20, 40]
    assert (asked, kept.computed, kept.bytes) == ([10, 20], 2, 60)


def test_the_one_asked_for_longest_ago_goes_first() -> None:
    kept = Kept(bytes, 100, len)
    for number in (40, 50, 40, 30):
        assert len(kept(number)) == number
    assert (kept.bytes, kept.computed) == (70, 3)
    kept(40)
    assert kept.computed == 3
    kept(50)
    assert kept.computed == 4


def test_what_never_fits_is_not_kept() -> None:
    kept = Kept(bytes, 100, len)
    assert len(kept(500)) == 500
    assert kept.bytes == 0
