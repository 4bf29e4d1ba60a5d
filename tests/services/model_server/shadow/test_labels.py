"""Labels of requests that two versions answered: each counts once, whoever comes last and whichever worker is asked."""

from __future__ import annotations

import itertools

import pytest

from components.package.model_package import Package
from components.spec.contract import BRIER_LOSSES
from services import telemetry
from services.model_server.feedback.label_slots import LABEL_SLOTS_BYTES, LabelSlots
from services.model_server.feedback.recent import RecentAnswers, recent_bytes
from services.model_server.shadow.counts import ShadowCounts, ShadowExposition, Slices, label_cells, shadow_bytes
from services.model_server.shadow.labels import PAIRED_BYTES, LabelledPairs
from services.model_server.shared import SharedMemory, _anonymous_file, slot_size

ROW = (12, 7035.5, None, "One year", 1, True, "2020-02-29")
REQUESTS = 32_768
#: Where a worker's answers of the candidate are: after its own answers, and their slots of time.
OFFSET = LABEL_SLOTS_BYTES + recent_bytes(REQUESTS)


class Worker:
    """One worker of a server: its answers, its counts about the candidate, and its labels."""

    def __init__(self, shared: SharedMemory, slices: Slices, mature_seconds: float) -> None:
        self.memories = [slot[OFFSET + PAIRED_BYTES :] for slot in shared.slots]
        self.time = 1000.0
        self.counts = ShadowCounts(self.memories[shared.own], slices)
        slots = LabelSlots(shared, 0, 30, lambda: self.time)
        self.recent = RecentAnswers(shared, LABEL_SLOTS_BYTES, REQUESTS, slots)
        self.pairs = LabelledPairs(shared, OFFSET, self.memories, self.recent, 60, mature_seconds, lambda: self.time)

    def answers(self, request_id: str, bins: list[int]) -> None:
        self.recent.remember(request_id, bins)

    def compares(self, request_id: str, ours: list[int], theirs: list[int], candidate: str = "2") -> None:
        self.counts.compared([ROW] * len(ours), [False] * len(ours), candidate)
        self.pairs.compared(request_id, len(ours), ours, theirs, candidate)

    def hears(self, request_id: str, positives: list[bool]) -> None:
        """Takes feedback as the handler does."""
        answer = self.recent.label(request_id, positives)
        if answer is not None and answer.answers:
            self.pairs.labelled(request_id, answer.answers, positives)

    def cells(self) -> list[float]:
        return [sum(column) for column in zip(*(label_cells(memory) for memory in self.memories), strict=True)]

    def mean(self) -> float:
        total = sum(cell * value for cell, value in zip(self.cells(), telemetry.SHADOW_DIFFERENCES, strict=True))
        return total / sum(self.cells())


@pytest.fixture
def slices(package: Package) -> Slices:
    return Slices(package.contract, ["contract"])


def workers(slices: Slices, number: int = 2, mature_seconds: float = 0) -> list[Worker]:
    """Workers that share their memory, as processes do."""
    size = slot_size(OFFSET + PAIRED_BYTES + shadow_bytes(slices))
    file = _anonymous_file(number * size)
    views = [SharedMemory(file, number * size, size) for _ in range(number)]
    for own, view in enumerate(views):
        view.own = own  # processes would claim them one by one
    return [Worker(view, slices, mature_seconds) for view in views]


def loss(ours: int, theirs: int, *, positive: bool) -> float:
    return BRIER_LOSSES[2 * theirs + positive] - BRIER_LOSSES[2 * ours + positive]


@pytest.mark.parametrize("order", list(itertools.permutations(["compare", "label", "label again"])))
def test_a_label_counts_once_in_any_order(slices: Slices, order: tuple[str, ...]) -> None:
    """A label counts once, whether it comes before or after the candidate's answer, twice, or to another worker."""
    for hearer in (0, 1):
        pool = workers(slices)
        pool[0].answers("id", [3])
        for step in order:
            if step == "compare":
                pool[0].compares("id", [3], [9])
            else:
                pool[hearer].hears("id", [True])
        assert sum(pool[0].cells()) == pytest.approx(1)
        assert pool[0].mean() == pytest.approx(loss(3, 9, positive=True))


@pytest.mark.parametrize("ours", range(20))
def test_the_mean_of_the_differences_is_exact(slices: Slices, ours: int) -> None:
    (worker,) = workers(slices, 1)
    expected = []
    for number, (theirs, positive) in enumerate(itertools.product(range(20), (False, True))):
        worker.answers(f"{number}", [ours])
        worker.compares(f"{number}", [ours], [theirs])
        worker.hears(f"{number}", [positive])
        expected.append(loss(ours, theirs, positive=positive))
    assert sum(worker.cells()) == pytest.approx(40)
    assert worker.mean() == pytest.approx(sum(expected) / 40)


def test_all_rows_of_a_request_count_one(slices: Slices) -> None:
    (worker,) = workers(slices, 1)
    ours, theirs, positives = [3, 9, 9], [9, 3, 9], [True, True, False]
    for request, early in (("a", True), ("b", False)):
        worker.answers(request, ours)
        if early:
            worker.hears(request, positives)
        worker.compares(request, ours, theirs)
        worker.hears(request, positives)
    assert sum(worker.cells()) == pytest.approx(2)
    assert worker.mean() == pytest.approx((loss(3, 9, positive=True) + loss(9, 3, positive=True)) / 3)


@pytest.mark.parametrize("early", [True, False])
def test_of_a_long_request_the_same_rows_are_compared(slices: Slices, early: bool) -> None:
    """Of a long request, rows are remembered evenly, each with its own label."""
    (worker,) = workers(slices, 1)
    ours = [row % 20 for row in range(200)]
    theirs, positives = [19 - place for place in ours], [place > 9 for place in ours]
    worker.answers("long", ours)
    if early:
        worker.hears("long", positives)
    worker.counts.compared([ROW], [False], "2")
    # The mirror compares every fourth row.
    worker.pairs.compared("long", 200, ours[::4], theirs[::4], "2")
    worker.hears("long", positives)
    kept = range(0, 200, 28)
    assert sum(worker.cells()) == pytest.approx(1)
    assert worker.mean() == pytest.approx(
        sum(loss(ours[row], theirs[row], positive=positives[row]) for row in kept) / len(kept)
    )


def test_a_label_of_an_earlier_candidate_does_not_count(slices: Slices) -> None:
    pool = workers(slices)
    for request, candidate in (("old", "2"), ("new", "3")):
        pool[0].answers(request, [3])
        pool[0].compares(request, [3], [9], candidate)
    pool[1].hears("old", [True])
    assert sum(pool[0].cells()) == 0
    pool[1].hears("new", [True])
    assert sum(pool[0].cells()) == pytest.approx(1)


def test_a_full_table_forgets_nothing_before_its_time(slices: Slices, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full table takes no more answers, until those in it are too old to be labelled."""
    monkeypatch.setattr("services.model_server.shadow.labels.request_key", lambda text: 8 * (int(text) + 1) * 65_536)
    (worker,) = workers(slices, 1)
    for number in range(5):
        worker.answers(f"{number}", [3])
        worker.compares(f"{number}", [3], [9])
    worker.hears("4", [True])
    assert sum(worker.cells()) == 0
    worker.hears("0", [True])
    assert sum(worker.cells()) == pytest.approx(1)
    worker.time += 61
    for number in range(5, 8):
        worker.answers(f"{number}", [3])
        worker.compares(f"{number}", [3], [9])
        worker.hears(f"{number}", [True])
    assert sum(worker.cells()) == pytest.approx(4)


@pytest.mark.parametrize("order", list(itertools.permutations(["compare", "label", "label again"])))
def test_a_label_waits_until_its_answer_is_old_enough(slices: Slices, order: tuple[str, ...]) -> None:
    """Before its answer has the age from which labels count, a label waits; then it counts once."""
    pool = workers(slices, mature_seconds=40)
    pool[0].answers("id", [3, 9])
    for step in order:
        if step == "compare":
            pool[0].compares("id", [3, 9], [9, 9])
        else:
            pool[1].hears("id", [True, False])
    pool[0].time += 39
    pool[0].compares("other", [3], [9])
    assert sum(pool[0].cells()) == 0
    pool[0].time += 2
    pool[0].compares("another", [3], [9])
    assert sum(pool[0].cells()) == pytest.approx(1)
    assert pool[0].mean() == pytest.approx(loss(3, 9, positive=True) / 2)
    # A label of an answer that is old enough counts at once.
    pool[0].answers("late", [3])
    pool[0].compares("late", [3], [9])
    for worker in pool:
        worker.time = pool[0].time + 41
    pool[1].hears("late", [True])
    assert sum(pool[0].cells()) == pytest.approx(2)
    for number in range(3):
        pool[0].compares(f"{number}", [3], [9])
    assert sum(pool[0].cells()) == pytest.approx(2)


def test_the_page_has_every_cell_and_edge(slices: Slices) -> None:
    (worker,) = workers(slices, 1)
    worker.counts.compared([ROW], [False], "2")
    families = {family.name: family for family in ShadowExposition(worker.memories, slices, "small", "1").collect()}
    assert len(families["canario_shadow_labelled"].samples) == len(telemetry.SHADOW_DIFFERENCES)
    assert len(families["canario_shadow_crossed"].samples) == 2 * 19
