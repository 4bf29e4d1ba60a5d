"""Amounts as a person writes them: processor time and memory in Kubernetes' notation, times and rates."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator

#: Factors of the units of memory.
_UNITS: Final = {
    "": 1,
    **{unit: 1000**power for power, unit in enumerate("KMGTPE", start=1)},
    **{f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", start=1)},
}
#: Seconds in the units of time.
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "day": 86_400}


def cores(text: str) -> float:
    """The number of cores that a text such as 500m, 1 or 1.5 means.

    Raises:
        ValueError: the text is no such amount, or it is 0.
    """
    found = re.fullmatch(r"\d+m|\d+(?:\.\d+)?", text)
    number = float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1) if found else 0
    if number <= 0:
        raise ValueError(f"{text!r} is no number of cores; allowed are such as '500m' (half a core), '1' and '1.5'")
    return number


def memory_bytes(text: str) -> int:
    """The number of bytes that a text such as 512Mi or 2G means.

    Raises:
        ValueError: the text is no such amount, or it is 0.
    """
    found = re.fullmatch(r"(\d+)([KMGTPE]i?)?", text)
    number = int(found[1]) * _UNITS[found[2] or ""] if found else 0
    if number <= 0:
        raise ValueError(f"{text!r} is no amount of memory; allowed are such as '512Mi', '2Gi' and '2G'")
    return number


def seconds(text: str) -> float:
    """The number of seconds that a text such as 30s, 5m, 2h or 3d means.

    Raises:
        ValueError: the text is no such time.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|min|h|d)", text.strip())
    if not found:
        raise ValueError(f"{text!r} is no length of time; allowed are such as '30s', '5m', '2h' and '3d'")
    return float(found[1]) * _SECONDS[found[2]]


#: Units of time for people, with the seconds from which each is used.
_SHOWN: Final = {"days": (86_400, 48 * 3600), "h": (3600, 100 * 60), "min": (60, 100), "s": (1, 0)}


def time_text(seconds: float, unit: str = "") -> str:
    """A length of time for people, such as 45 s, 12 min, 3.5 h or 14 days; in the unit that suits it by default."""
    unit = unit or next(name for name, (_, least) in _SHOWN.items() if seconds >= least)
    number = seconds / _SHOWN[unit][0]
    return f"{number:.0f} {unit}" if number >= 10 or round(number, 1).is_integer() else f"{number:.1f} {unit}"


def requests_a_second(text: str) -> float:
    """The rate that a text such as 2, 2/s, 30/min or 100/day means.

    Raises:
        ValueError: the text is no such rate, or it is 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(s|min|h|d|day))?", text.strip())
    rate = float(found[1]) / _SECONDS[found[2] or "s"] if found else 0.0
    if rate <= 0:
        raise ValueError(f"{text!r} is no rate above 0; allowed are such as '2' (a second), '30/min' and '100/day'")
    return rate


def _as_text(value: object) -> object:
    """The text of a number: YAML reads `cpu: 1` as one."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _checked_cores(text: str) -> str:
    cores(text)
    return text


def _checked_memory(text: str) -> str:
    memory_bytes(text)
    return text


#: Texts that `cores` and `memory_bytes` can read.
CoresText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_checked_cores)]
MemoryText = Annotated[str, BeforeValidator(_as_text), AfterValidator(_checked_memory)]
