import pytest
from hypothesis import given
from hypothesis import strategies as st

from k8s.twin.report.record import Answered, EventLine, MissingPartError, Second
from k8s.twin.report.story import trip_of
from k8s.twin.report.timeline import TimeSpan, merged, samples_of, timeline, weights_over_time


def weight(at: float, version: str, percent: int) -> EventLine:
    return EventLine(at=at, kind="weight", version=version, weight=percent)


EVENTS = [
    weight(10, "1", 100), weight(20, "2", 10), weight(30, "2", 50), weight(40, "2", 100),
    weight(50, "3", 10), weight(55, "3", 0),
]  # fmt: skip


def test_who_had_which_share_when():
    assert weights_over_time(EVENTS, 60) == [
        TimeSpan(10, 20, "1", "", 0),
        TimeSpan(20, 30, "1", "2", 10),
        TimeSpan(30, 40, "1", "2", 50),
        TimeSpan(40, 50, "2", "", 0),
        TimeSpan(50, 55, "2", "3", 10),
        TimeSpan(55, 60, "2", "", 0),
    ]


def test_how_long_a_canary_had_traffic():
    second, third = trip_of("2", EVENTS), trip_of("3", EVENTS)
    assert second
    assert third
    assert (second.start, second.end, second.largest_weight, second.steps) == (20, 40, 50, 2)
    assert (third.seconds, third.largest_weight, third.steps) == (5, 10, 1)
    assert trip_of("1", EVENTS) is None


def test_merged_seconds_keep_the_slowest_answer_and_the_mean():
    """Seconds that are merged keep the slowest answer and the mean."""
    seconds = [
        Second(at=1, versions={"1": Answered(requests=10, failed=1, p99_ms=5, mean_probability=0.25)}),
        Second(at=2, versions={"1": Answered(requests=30, p99_ms=9, mean_probability=0.75), "2": Answered(requests=7)}),
    ]
    (one,) = merged(seconds, most=1)
    assert (one.at, one.seconds) == (2, 2)
    assert one.versions["1"] == Answered(requests=40, failed=1, p99_ms=9, mean_probability=0.625)
    first = samples_of([one])[0]
    assert (first.at, first.until, first.rate, first.failed_rate) == (0, 2, 20, 0.5)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=700))
def test_putting_seconds_together_loses_no_request(requests):
    seconds = [Second(at=at, versions={"1": Answered(requests=n)}) for at, n in enumerate(requests)]
    together = merged(seconds)
    assert sum(second.versions["1"].requests for second in together) == sum(requests)
    assert sum(second.seconds for second in together) == len(requests)
    assert len(together) <= 181


def test_failures_are_drawn_and_told():
    second = Second(at=12, versions={"1": Answered(requests=10, failed=3), "none": Answered(requests=1, failed=1)})
    drawn = timeline(EVENTS, [second], 50)
    assert drawn.title == "4 requests failed"
    assert 'class="failed"' in drawn.wide
    assert "none" in drawn.versions
    alone = Second(at=12, versions={"1": Answered(requests=10, failed=3), "2": Answered(requests=1)})
    assert timeline(EVENTS, [alone], 50).title == "3 requests failed (version 1)"


@pytest.mark.parametrize(("word", "css", "other"), [("undecided", "stroke unsure", "bad"), ("fail", "bad", "unsure")])
def test_undecided_has_a_mark_and_a_line_of_its_own(word, css, other):
    said = EventLine(at=54, kind="decision", version="3", weight=10, verdict=word)
    drawn = timeline([*EVENTS[:-1], said, EVENTS[-1]], [], None)
    assert drawn.title == f"The share of each version; version 3 lost its share when the judge said {word}"
    assert css in drawn.wide
    assert other not in drawn.wide
    assert drawn.wide.count("guide") == timeline(EVENTS, [], None).wide.count("guide") + 1


def test_without_traffic_there_is_no_timeline():
    with pytest.raises(MissingPartError, match="No version ever got traffic"):
        timeline([], [], None)


def test_what_callers_measured_may_be_missing():
    drawn = timeline(EVENTS, [], None)
    assert "share of requests" in drawn.narrow
    assert "a second" not in drawn.narrow
