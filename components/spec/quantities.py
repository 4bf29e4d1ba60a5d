"""Amounts of processor time and memory in Kubernetes' notation."""

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
