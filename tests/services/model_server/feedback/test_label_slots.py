from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from components.spec.contract import BRIER_LOSSES, SCORE_EDGES
from services.model_server.feedback.grading import Part, WordGrader
from services.model_server.feedback.label_slots import LABEL_SLOTS_BYTES, LabelSlots, LabelSlotsPage
from services.model_server.shared import join
from services.telemetry import LABEL_LOSSES, LABEL_SLOTS
from tests.services.model_server.conftest import Caller, StartServer
from tests.small_package import GOOD

SECONDS = 7.5
NOW = 1.7e9
BINS = len(SCORE_EDGES)


class Time:
    """A wall clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def wall(self) -> float:
        return self.now

    def slot(self) -> int:
        return int(self.now // SECONDS) % LABEL_SLOTS


def label_slots(time: Time) -> LabelSlots:
    slots = LabelSlots(join({}, LABEL_SLOTS_BYTES), 0, SECONDS, time.wall)
    slots.matched()
    return slots


def parts(bins: list[int], positives: list[bool]) -> list[Part]:
    """The losses of rows of these bins with these labels."""
    return WordGrader().grade(bins, positives).parts


def losses_of(slots: LabelSlots, slot: int) -> list[float]:
    return (slots.totals() or [])[slot][1]


@pytest.mark.parametrize(("place", "positive"), list(itertools.product(range(BINS), (False, True))))
def test_the_mean_loss_of_one_answer_is_exact(place: int, positive: bool) -> None:
    time = Time()
    slots = label_slots(time)
    slots.labelled(slots.turn(), parts([place], [positive]))
    counts = losses_of(slots, time.slot())
    assert sum(counts) == pytest.approx(1, abs=1e-12)
    mean = sum(count * loss for count, loss in zip(counts, LABEL_LOSSES, strict=True))
    assert mean == pytest.approx(BRIER_LOSSES[2 * place + positive], abs=1e-12)
    assert sum(count > 0 for count in counts) <= 2


@given(st.lists(st.lists(st.tuples(st.integers(0, BINS - 1), st.booleans()), min_size=1, max_size=9), min_size=1))
@settings(max_examples=30)
def test_the_mean_loss_of_many_answers_is_exact(answers: list[list[tuple[int, bool]]]) -> None:
    """Whatever the rows of each answer, which together count one."""
    time = Time()
    slots = label_slots(time)
    expected = 0.0
    for rows in answers:
        slots.labelled(slots.turn(), parts([place for place, _ in rows], [positive for _, positive in rows]))
        expected += sum(BRIER_LOSSES[2 * place + positive] for place, positive in rows) / len(rows)
    counts = losses_of(slots, time.slot())
    assert sum(counts) == pytest.approx(len(answers))
    assert sum(count * loss for count, loss in zip(counts, LABEL_LOSSES, strict=True)) == pytest.approx(expected)


def test_a_label_counts_in_the_slot_of_its_answer_while_it_lasts() -> None:
    time = Time()
    slots = label_slots(time)
    turn, slot = slots.turn(), time.slot()
    time.now += (LABEL_SLOTS - 1) * SECONDS
    slots.labelled(turn, parts([3], [True]))
    assert sum(losses_of(slots, slot)) == pytest.approx(1)
    assert sum(losses_of(slots, time.slot())) == 0
    time.now += SECONDS
    assert time.slot() == slot
    assert sum(losses_of(slots, slot)) == 0


def test_a_label_whose_slot_has_left_the_ring_counts_nowhere() -> None:
    time = Time()
    slots = label_slots(time)
    turn = slots.turn()
    time.now += LABEL_SLOTS * SECONDS
    slots.labelled(turn, parts([3], [True]))
    assert sum(sum(losses) for _, losses in slots.totals() or []) == 0


@given(st.text('aé"\\\n {}=,', max_size=9))
@settings(max_examples=30)
def test_the_page_is_prometheus_text_whatever_the_services_name(service: str) -> None:
    time = Time()
    slots = label_slots(time)
    slots.labelled(slots.turn(), parts([3, 9], [True, False]))
    families = list(text_string_to_metric_families(LabelSlotsPage(slots, service, "1.0:a-b").text()))
    samples = [sample for family in families for sample in family.samples]
    assert {family.type for family in families} == {"gauge"}
    assert {(sample.labels["service"], sample.labels["version"]) for sample in families[0].samples} == {
        (service, "1.0:a-b")
    }
    found = {int(sample.labels["loss"]): sample.value for sample in samples if sample.name == "canario_labelled"}
    assert found == {loss: count for loss, count in enumerate(losses_of(slots, time.slot())) if count}


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def timed(serve: StartServer, time: Time) -> Caller:
    return serve(wall=time.wall, label_slot_seconds=SECONDS)


def told(server: Caller, name: str) -> dict[int, float]:
    """The sums by slot of samples that are there; each of them must be above 0."""
    sums: dict[int, float] = {}
    for key, value in server.metrics().items():
        if key.startswith(name + "{"):
            assert value > 0
            slot = int(re.findall(r'slot="(\d+)"', key)[0])
            sums[slot] = sums.get(slot, 0) + value
    return sums


def test_nothing_is_told_until_feedback_has_matched(timed: Caller) -> None:
    timed.predict(GOOD)
    timed.post("/feedback", {"request_id": "unknown", "label": "Yes"})
    page = timed.get("/metrics").body.decode()
    assert "canario_labelled" not in page
    assert "canario_remembered" not in page
    assert timed.metrics()["canario_label_slot_seconds"] == SECONDS


def test_labels_and_remembered_answers_are_told_by_answer(timed: Caller, time: Time) -> None:
    early = time.slot()
    first = timed.predict(GOOD).headers["x-request-id"]
    timed.predict([GOOD, GOOD])
    time.now += 20 * SECONDS
    second = timed.predict([GOOD, GOOD]).headers["x-request-id"]
    timed.post("/feedback", {"request_id": second, "label": ["Yes", "No"]})
    for _ in range(2):  # the second time counts nothing
        timed.post("/feedback", {"request_id": first, "label": "Yes"})
    assert told(timed, "canario_remembered") == {early: 2, time.slot(): 1}
    assert told(timed, "canario_labelled") == pytest.approx({early: 1, time.slot(): 1})


def test_answers_to_copies_and_errors_are_not_remembered(serve: StartServer, time: Time) -> None:
    server = serve(wall=time.wall, label_slot_seconds=SECONDS, shadow_candidate=True)
    request_id = server.predict(GOOD).headers["x-request-id"]
    server.predict(GOOD, x_canario_shadow="1")
    server.predict({})
    server.post("/feedback", {"request_id": request_id, "label": "Yes"})
    assert told(server, "canario_remembered") == {time.slot(): 1}
