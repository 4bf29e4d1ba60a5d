from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.model_server import shared as shared_module
from services.model_server.errors import LabelsError
from services.model_server.feedback.label_slots import LABEL_SLOTS_BYTES, LabelSlots
from services.model_server.feedback.recent import LabelledAnswer, RecentAnswers, recent_bytes, request_key
from services.model_server.shared import SHARED_VARIABLE, SharedMemory, join, offer, slot_size
from services.telemetry import LABEL_SLOTS

#: Room for sixteen answers, or sixty-four rows, in each slot of time.
REQUESTS = 16 * LABEL_SLOTS
SLOT = slot_size(LABEL_SLOTS_BYTES + recent_bytes(REQUESTS))
SECONDS = 30.0


class Recent(RecentAnswers):
    """The memory of one worker at a time that tests set."""

    def __init__(self, shared: SharedMemory, now: float = 1.7e9) -> None:
        self.now = now
        self.slots = LabelSlots(shared, 0, SECONDS, lambda: self.now)
        super().__init__(shared, LABEL_SLOTS_BYTES, REQUESTS, self.slots)

    def known(self, request_ids: Iterable[str]) -> list[str]:
        return [request_id for request_id in request_ids if self.count(request_id) is not None]

    def remembered(self) -> dict[int, float]:
        """The remembered answers by slot, of all workers."""
        self.slots.matched()
        return {slot: count for slot, (count, _) in enumerate(self.slots.totals() or []) if count}


def answers() -> Recent:
    return Recent(join({}, SLOT))


def bins_labelled(recent: RecentAnswers, request_id: str, positives: Sequence[bool]) -> list[int] | None:
    """The bins that were labelled."""
    answer = recent.label(request_id, positives)
    return None if answer is None else answer.answers


def test_what_was_answered_is_found() -> None:
    recent = answers()
    recent.remember("a", [3])
    recent.remember("b", [0, 19, 7])
    assert (recent.count("a"), recent.count("b"), recent.count("c")) == (1, 3, None)
    assert bins_labelled(recent, "b", [True, False, True]) == [0, 19, 7]
    assert bins_labelled(recent, "a", [True]) == [3]
    assert bins_labelled(recent, "c", [True]) is None


def test_a_row_is_labelled_once() -> None:
    recent = answers()
    recent.remember("a", [3, 19])
    assert bins_labelled(recent, "a", [True, False]) == [3, 19]
    assert bins_labelled(recent, "a", [True, False]) == []


@pytest.mark.parametrize(("labels", "row"), [([False, False], 0), ([True, True], 1), ([False, True], 0)])
def test_a_label_unlike_the_first_is_refused_without_a_change(labels: list[bool], row: int) -> None:
    """A label that differs from the first is an error, and changes nothing."""
    recent = answers()
    recent.remember("a", [3, 19])
    recent.label("a", [True, False])
    with pytest.raises(LabelsError, match=f"row {row} had another label before"):
        recent.label("a", labels)
    assert bins_labelled(recent, "a", [True, False]) == []


def test_labels_for_other_rows_than_the_answers_are_an_error() -> None:
    """Labels for other rows than the answer's are an error, and label nothing."""
    recent = answers()
    recent.remember("a", [3, 19])
    with pytest.raises(LabelsError, match="has 1 labels; the answer has 2"):
        recent.label("a", [True])
    assert bins_labelled(recent, "a", [True, False]) == [3, 19]


def test_an_id_that_is_used_again_stands_for_the_later_answer() -> None:
    recent = answers()
    recent.remember("a", [3, 4])
    recent.label("a", [True, True])
    recent.remember("a", [5])
    assert bins_labelled(recent, "a", [False]) == [5]


def test_an_answer_is_forgotten_by_time_alone() -> None:
    """Whatever comes after an answer, it is known as long as its slot is in the ring, and not any longer."""
    recent = answers()
    begun = recent.now = recent.now // SECONDS * SECONDS
    recent.remember("old", [3])
    for slot in range(1, LABEL_SLOTS):
        recent.now = begun + slot * SECONDS
        for number in range(40):
            recent.remember(f"{slot} {number}", [number % 20] * (1 + number % 3))
    recent.now = begun + LABEL_SLOTS * SECONDS - 0.01
    assert recent.label("old", [True]) == LabelledAnswer(int(begun // SECONDS), [3])
    recent.now += 0.02
    assert (recent.count("old"), recent.label("old", [True])) == (None, None)


def test_an_answer_is_labelled_in_the_slot_of_its_time() -> None:
    recent = answers()
    recent.remember("a", [3])
    turn = int(recent.now // SECONDS)
    recent.now += 5 * SECONDS
    recent.remember("b", [4])
    found = [recent.label(request_id, [True]) for request_id in ("a", "b")]
    assert found == [LabelledAnswer(turn, [3]), LabelledAnswer(turn + 5, [4])]


@pytest.mark.parametrize("a_slot", [5, 500])
def test_a_busy_replica_remembers_as_long_as_a_quiet_one(a_slot: int) -> None:
    """The ages at which answers are known are the same, and only their number in a slot has a limit."""
    recent = answers()
    begun = recent.now
    for slot in range(LABEL_SLOTS + 50):
        recent.now = begun + slot * SECONDS
        for number in range(a_slot):
            recent.remember(f"{slot} {number}", [number % 20])
    remembered = recent.remembered()
    assert len(remembered) == LABEL_SLOTS
    most = min(a_slot, REQUESTS // LABEL_SLOTS)
    # Chance may fill a bucket, and then an answer is not remembered at all.
    assert 0.6 * most * LABEL_SLOTS < sum(remembered.values()) <= most * LABEL_SLOTS
    for slot in (50, LABEL_SLOTS + 49):
        known = recent.known(f"{slot} {number}" for number in range(a_slot))
        assert len(known) == remembered[(int(begun // SECONDS) + slot) % LABEL_SLOTS]
    assert recent.known(f"49 {number}" for number in range(a_slot)) == []


def test_of_a_slot_those_that_come_first_are_remembered() -> None:
    recent = answers()
    names = [f"{number}" for number in range(100)]
    for name in names:
        recent.remember(name, [3])
    assert recent.known(names) == names[:16]


def test_after_one_that_finds_no_room_none_is_remembered() -> None:
    """Otherwise a busy slot would remember short answers rather than long ones."""
    recent = answers()
    for name, rows in (("a", 40), ("b", 20), ("c", 5), ("d", 1)):
        recent.remember(name, [2] * rows)
    assert recent.known("abcd") == ["a", "b"]


def test_a_full_bucket_forgets_none_of_its_answers() -> None:
    recent = answers()
    names = [str(number) for number in range(10_000)]
    same = [name for name in names if not request_key(name) % REQUESTS & -4][:5]
    for name in same:
        recent.remember(name, [3])
    assert recent.known(same) == same[:4]
    recent.now += LABEL_SLOTS * SECONDS
    recent.remember(same[4], [3])
    assert recent.known(same) == same[4:]


def test_remembered_answers_are_told_by_slot() -> None:
    recent = answers()
    turn = int(recent.now // SECONDS)
    for number in range(3):
        recent.remember(f"early {number}", [3, 3])
    recent.now += 2 * SECONDS
    recent.remember("late", [3])
    assert recent.remembered() == {turn % LABEL_SLOTS: 3, (turn + 2) % LABEL_SLOTS: 1}
    # An answer that can never be labelled any more does not count; one that was labelled stays.
    recent.label("early 0", [True, True])
    for number in range(2):
        recent.remember(f"early {number}", [3, 3])
    assert recent.remembered() == {turn % LABEL_SLOTS: 2, (turn + 2) % LABEL_SLOTS: 3}
    recent.now += (LABEL_SLOTS - 1) * SECONDS
    assert recent.remembered() == {(turn + 2) % LABEL_SLOTS: 3}


def test_an_id_that_is_used_again_in_a_full_slot_is_not_known() -> None:
    """Else the label of the later answer would count for the earlier one."""
    recent = answers()
    for number in range(17):
        recent.remember(str(number), [1])
    recent.remember("0", [2])
    assert recent.count("0") is None


def test_a_clock_that_was_set_back_does_no_harm() -> None:
    recent = answers()
    recent.remember("a", [3])
    recent.now -= 7200
    assert recent.count("a") is None
    recent.remember("b", [4])
    assert bins_labelled(recent, "b", [True]) == [4]


def test_a_batch_too_long_to_remember_does_no_harm() -> None:
    recent = answers()
    recent.remember("a", [1])
    recent.remember("b", [2] * 10_000)
    assert (bins_labelled(recent, "a", [True]), bins_labelled(recent, "b", [True] * 10_000)) == ([1], None)


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
        assert bins_labelled(recent, str(number), [True] * len(bins)) in (None, bins)


CHILD = """
import os, sys
from services.model_server.errors import LabelsError
from services.model_server.feedback.grading import WordGrader
from services.model_server.feedback.label_slots import LABEL_SLOTS_BYTES, LabelSlots
from services.model_server.feedback.recent import RecentAnswers
from services.model_server.shared import is_offered, join
assert is_offered(os.environ)
shared = join(os.environ, int(sys.argv[1]))
slots = LabelSlots(shared, 0, float(sys.argv[3]), lambda: float(sys.argv[4]))
recent = RecentAnswers(shared, LABEL_SLOTS_BYTES, int(sys.argv[2]), slots)
answer = recent.label("from the parent", [True])
if answer and answer.answers:
    slots.labelled(answer.turn, WordGrader().grade(answer.answers, [True]).parts)
recent.remember("from the child", [7])
print(shared.own, answer and answer.answers, flush=True)
sys.stdin.readline()
"""


def child(environment: dict[str, str], now: float = 1.7e9) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(SLOT), str(REQUESTS), str(SECONDS), str(now)],
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
    recent = Recent(shared)
    recent.remember("from the parent", [4])
    assert (shared.own, len(shared.slots)) == (0, 2)
    for expected in ("1 [4]\n", "1 []\n"):
        with child(environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == expected
            assert recent.count("from the child") == 1
            process.communicate("end\n")
        assert process.returncode == 0
    assert bins_labelled(recent, "from the child", [True]) == [7]
    # Each wrote its own memory: the parent's answer was labelled in the child, and the slot has the sum.
    (counted,) = [pair for pair in recent.slots.totals() or [] if pair[0]]
    assert counted[0] == 2
    assert sum(counted[1]) == pytest.approx(1)


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
