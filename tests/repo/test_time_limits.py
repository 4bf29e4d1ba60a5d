"""On a quiet machine a default test that hangs ends within two minutes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.patience import patient
from tests.time_limits import limit_seconds

_LONGEST_SECONDS = 120
#: Marks of the suites that are not the default one; their tests have limits of their own.
_OTHER_SUITES = ("slow", "e2e", "charts", "images")


def _hang_too_long(items: Iterable[pytest.Item]) -> list[str]:
    default = [item for item in items if not any(item.get_closest_marker(suite) for suite in _OTHER_SUITES)]
    return [item.nodeid for item in default if not 0 < limit_seconds(item) <= patient(_LONGEST_SECONDS)]


def test_no_default_test_hangs_for_longer_than_two_minutes(request: pytest.FixtureRequest) -> None:
    """Holds for every test of this run, which `make test` has all default ones in."""
    assert _hang_too_long(request.session.items) == []


@pytest.mark.parametrize(("marks", "seen"), [((), True), (("slow",), False), (("e2e",), False)])
@pytest.mark.parametrize("seconds", [0, 121])
def test_a_longer_limit_is_seen(
    request: pytest.FixtureRequest, seconds: int, marks: tuple[str, ...], seen: bool
) -> None:
    """Zero is pytest's word for no limit at all."""
    item = pytest.Function.from_parent(request.node.parent, name="test_x", callobj=lambda: None)
    for mark in (pytest.mark.timeout(patient(seconds)), *(getattr(pytest.mark, name) for name in marks)):
        item.add_marker(mark, append=False)
    assert bool(_hang_too_long([item])) is seen
