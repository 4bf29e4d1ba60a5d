"""When a release that Flux brings has come to its end."""

from __future__ import annotations

import pytest

from k8s.deploy.synced import Seen, has_ended

ONE, TWO = ("1", "package 1"), ("2", "package 2")


@pytest.mark.parametrize(
    ("seen", "was_asked", "ended"),
    [
        (Seen(None, None, ""), False, False),
        (Seen(ONE, ONE, "Succeeded"), False, False),
        (Seen(TWO, None, "Initializing"), True, False),
        (Seen(TWO, TWO, "Initialized"), True, True),
        (Seen(TWO, ONE, "Succeeded"), True, False),
        (Seen(TWO, ONE, "Progressing"), True, False),
        (Seen(TWO, TWO, "Finalising"), True, False),
        (Seen(TWO, TWO, "Succeeded"), True, True),
        (Seen(TWO, ONE, "Failed", "2026-01-01T00:00:05Z", "2026-01-01T00:01:00Z"), True, True),
        (Seen(TWO, ONE, "Failed", "2026-01-01T00:00:05Z", "2026-01-01T00:00:00Z"), True, False),
        (Seen(ONE, ONE, "Failed"), True, True),
    ],
    ids=[
        "nothing is there yet", "it was not brought yet", "the first one starts", "the first one answers",
        "Flagger has not seen it yet", "a canary", "nearly promoted", "promoted", "rolled back",
        "the failure was of the one before", "reverted in Git, and that was brought",
    ],
)  # fmt: skip
def test_the_end(seen: Seen, was_asked: bool, ended: bool) -> None:
    assert has_ended(seen, TWO, was_asked=was_asked) is ended
