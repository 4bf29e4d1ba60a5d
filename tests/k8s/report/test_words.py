import pytest

from components.models.usage import DeviceUsage, Usage
from k8s.report.words import (
    amount,
    called,
    clock,
    colour_of,
    count,
    day,
    duration,
    listed,
    number,
    percent,
    points,
    usage,
)

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("ratio", "words"),
    [(0, "0"), (0.0008, "0.08"), (0.005, "0.5"), (0.0264, "2.6"), (0.05, "5"), (0.1344, "13.4"), (1, "100"),
     (-0.1121, "\N{MINUS SIGN}11.2"), (-0.000001, "0"), (0.2, "20")],
)  # fmt: skip
def test_a_ratio_has_the_digits_that_tell_it_from_zero(ratio, words):
    assert percent(ratio) == f"{words}{SPACE}%"
    assert points(ratio) == f"{words}{SPACE}points"


def test_an_excess_is_told_in_its_signal_s_own_words():
    assert amount("error_ratio", 0.011) == f"1.1{SPACE}points"
    assert amount("label_loss", -0.0198) == "\N{MINUS SIGN}0.020"


def test_times_read_as_people_say_them():
    assert [clock(at) for at in (-1, 5.9, 65, 600)] == ["0:00", "0:05", "1:05", "10:00"]
    assert [duration(of).replace(SPACE, " ") for of in (8.44, 9.96, 59.4, 200)] == [
        "8.4 s", "10 s", "59 s", "3 min 20 s",
    ]  # fmt: skip
    assert day(1_700_000_000) == "14 November 2023, 22:13 UTC"


def test_numbers_and_lists():
    assert (count(12345.4), number(12345), number(0.03412), number(-0.5)) == (
        "12,345", "12,345", "0.0341", "\N{MINUS SIGN}0.5",
    )  # fmt: skip
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_versions_differ_in_colour_and_every_name_has_one():
    assert len({colour_of(version) for version in ("1", "2", "3", "none")}) == 4
    assert colour_of("2024-rc.1").startswith("#")
    assert (called("2"), called("none")) == ("version 2", "no answer")


def test_a_device_that_nothing_measured_is_not_told_as_zero():
    used = Usage(
        accelerator="tpu",
        count=4,
        devices=DeviceUsage(names=("TPU",) * 4),
        unmeasured="nothing measures it",
        memory_peak_mib=2048.0,
        cpu_seconds=75.0,
        seconds=5.0,
    )
    said = usage(used).replace(SPACE, " ")
    assert said == (
        "its devices not measured (nothing measures it), 2,048 MiB of memory at most, "
        "1 min 15 s of processor time in 5.0 s"
    )
