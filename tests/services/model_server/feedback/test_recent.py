from __future__ import annotations

import mmap
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.model_server import shared as shared_module
from services.model_server.errors import LabelsError
from services.model_server.feedback.recent import RecentAnswers, recent_bytes
from services.model_server.shared import SHARED_VARIABLE, SharedMemory, join, offer, slot_size

REQUESTS = 64
SLOT = slot_size(recent_bytes(REQUESTS))


def answers() -> RecentAnswers:
    return RecentAnswers(join({}, SLOT), 0, REQUESTS)


def test_what_was_answered_is_found() -> None:
    recent = answers()
    recent.remember("a", [3])
    recent.remember("b", [0, 19, 7])
    assert (recent.count("a"), recent.count("b"), recent.count("c")) == (1, 3, None)
    assert recent.label("b", [True, False, True]) == [0, 19, 7]
    assert recent.label("a", [True]) == [3]
    assert recent.label("c", [True]) is None


def test_a_row_is_labelled_once() -> None:
    recent = answers()
    recent.remember("a", [3, 19])
    assert recent.label("a", [True, False]) == [3, 19]
    assert recent.label("a", [True, False]) == []


@pytest.mark.parametrize(("labels", "row"), [([False, False], 0), ([True, True], 1), ([False, True], 0)])
def test_a_label_unlike_the_first_is_refused_without_a_change(labels: list[bool], row: int) -> None:
    """A label that differs from the first is an error, and changes nothing."""
    recent = answers()
    recent.remember("a", [3, 19])
    recent.label("a", [True, False])
    with pytest.raises(LabelsError, match=f"row {row} had another label before"):
        recent.label("a", labels)
    assert recent.label("a", [True, False]) == []


def test_labels_for_other_rows_than_the_answers_are_an_error() -> None:
    """Labels for other rows than the answer's are an error, and label nothing."""
    recent = answers()
    recent.remember("a", [3, 19])
    with pytest.raises(LabelsError, match="has 1 labels; the answer has 2"):
        recent.label("a", [True])
    assert recent.label("a", [True, False]) == [3, 19]


def test_an_id_that_is_used_again_stands_for_the_later_answer() -> None:
    recent = answers()
    recent.remember("a", [3, 4])
    recent.label("a", [True, True])
    recent.remember("a", [5])
    assert recent.label("a", [False]) == [5]


def test_old_answers_make_room() -> None:
    recent = answers()
    for number in range(100 * REQUESTS):
        recent.remember(str(number), [number % 20])
    assert recent.label("0", [True]) is None
    assert recent.label(str(100 * REQUESTS - 1), [True]) == [(100 * REQUESTS - 1) % 20]


def test_most_of_what_fits_is_kept() -> None:
    recent = answers()
    for number in range(REQUESTS):
        recent.remember(str(number), [number % 20])
    assert sum(recent.count(str(number)) is not None for number in range(REQUESTS)) > 0.75 * REQUESTS


def test_an_answer_whose_rows_were_overwritten_is_not_known() -> None:
    recent = answers()
    recent.remember("a", [1])
    for number in range(5):
        recent.remember(f"batch {number}", [2] * REQUESTS)
    assert recent.count("a") is None


def test_a_batch_too_long_to_remember_does_no_harm() -> None:
    recent = answers()
    recent.remember("a", [1])
    recent.remember("b", [2] * 10_000)
    assert (recent.label("a", [True]), recent.label("b", [True] * 10_000)) == ([1], None)


@given(st.lists(st.tuples(st.integers(0, 30), st.lists(st.integers(0, 19), min_size=1, max_size=40)), max_size=60))
@settings(max_examples=50)
def test_what_is_known_is_always_the_latest_answer(sequence: list[tuple[int, list[int]]]) -> None:
    recent = answers()
    latest: dict[int, list[int]] = {}
    for number, bins in sequence:
        recent.remember(str(number), bins)
        latest[number] = bins
    for number, bins in latest.items():
        assert recent.count(str(number)) in (None, len(bins))
        assert recent.label(str(number), [True] * len(bins)) in (None, bins)


CHILD = """
import os, sys
from services.model_server.errors import LabelsError
from services.model_server.feedback.recent import RecentAnswers
from services.model_server.shared import is_offered, join
assert is_offered(os.environ)
shared = join(os.environ, int(sys.argv[1]))
recent = RecentAnswers(shared, 0, int(sys.argv[2]))
bins = recent.label("from the parent", [True])
recent.remember("from the child", [7])
print(shared.own, bins, flush=True)
sys.stdin.readline()
"""


def child(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(SLOT), str(REQUESTS)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_workers_share_answers_and_take_over_a_free_slot() -> None:
    """Workers find each other's answers, and take the slot of a worker that ended."""
    environment = dict(os.environ)
    offer(environment, 1, SLOT)
    _, file, size = environment[SHARED_VARIABLE].split(":")
    # The supervisor itself holds a slot here, as a first worker would.
    shared = SharedMemory(int(file), int(size), SLOT)
    recent = RecentAnswers(shared, 0, REQUESTS)
    recent.remember("from the parent", [4])
    assert (shared.own, len(shared.slots)) == (0, 2)
    for expected in ("1 [4]\n", "1 []\n"):
        with child(environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == expected
            assert recent.count("from the child") == 1
            process.communicate("end\n")
        assert process.returncode == 0
    assert recent.label("from the child", [True]) == [7]


def test_more_workers_than_slots_is_said() -> None:
    environment = dict(os.environ)
    offer(environment, 1, SLOT)
    _, file, size = environment[SHARED_VARIABLE].split(":")
    with child(environment) as first, child(environment) as second:
        for process in (first, second):
            assert process.stdout is not None
            process.stdout.readline()
        with pytest.raises(RuntimeError, match="all 2 slots of the shared memory are taken"):
            SharedMemory(int(file), int(size), SLOT)
        for process in (first, second):
            process.communicate("end\n")


def test_an_offer_of_anybody_but_the_parent_is_not_taken() -> None:
    assert not shared_module.is_offered({SHARED_VARIABLE: f"{os.getpid()}:3:100"})
    assert not shared_module.is_offered({})


def test_slots_begin_on_pages() -> None:
    assert slot_size(1) == mmap.PAGESIZE
    assert slot_size(mmap.PAGESIZE) == mmap.PAGESIZE
