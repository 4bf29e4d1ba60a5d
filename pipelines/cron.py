"""Times in cron's five fields: read, checked, written as Kubeflow has them, and the next of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from components.errors import SpecError

#: The fields: name, smallest and largest number, and the names of numbers, from the smallest on.
_FIELDS: Final = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_PART: Final = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")
#: Days to look ahead: a 29 February may be eight years away.
_HORIZON: Final = 366 * 8


@dataclass(frozen=True)
class Cron:
    """A schedule: for each field the numbers at which it fires; None where the field is `*`."""

    text: str
    fields: tuple[frozenset[int] | None, ...]

    def six_fields(self) -> str:
        """The schedule as Kubeflow has it, with seconds in front.

        It would read five fields as seconds to month, and knows no Sunday 7.
        """
        return " ".join(["0", *("*" if each is None else ",".join(map(str, sorted(each))) for each in self.fields)])

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The moments at which the schedule fires after `moment`, in its time zone."""
        minutes, hours, *_ = (set(range(60)) if each is None else each for each in self.fields)
        for ahead in range(_HORIZON):
            day = (moment + timedelta(days=ahead)).replace(hour=0, minute=0, second=0, microsecond=0)
            if not self._is_day(day):
                continue
            for hour in sorted(hours & set(range(24))):
                for minute in sorted(minutes):
                    found = day.replace(hour=hour, minute=minute)
                    if found > moment:
                        yield found

    def _is_day(self, day: datetime) -> bool:
        _, _, days, months, weekdays = self.fields
        if months is not None and day.month not in months:
            return False
        in_month = days is None or day.day in days
        in_week = weekdays is None or day.isoweekday() % 7 in weekdays
        # Cron takes either day if both are given.
        return (in_month or in_week) if days is not None and weekdays is not None else (in_month and in_week)


def read_cron(text: str) -> Cron:
    """Reads five fields such as `0 3 * * *`: minute, hour, day of the month, month, day of the week.

    Raises:
        SpecError: the text is no such schedule, or it never fires; names the field and what is allowed.
    """
    words = text.split()
    if len(words) != len(_FIELDS):
        raise SpecError(
            f"CRON: {text!r} has {len(words)} fields; allowed are five: minute, hour, day of the month, month, day of "
            "the week, such as '0 3 * * *' for 3:00 UTC each day"
        )
    fields = tuple(_read_field(word, *field) for word, field in zip(words, _FIELDS, strict=True))
    cron = Cron(text, fields)
    if next(cron.after(datetime(2026, 1, 1)), None) is None:  # noqa: DTZ001 -- any year will do
        raise SpecError(f"CRON: {text!r} never fires: no month has such a day")
    return cron


def _read_field(word: str, name: str, low: int, high: int, names: tuple[str, ...]) -> frozenset[int] | None:
    """The numbers of a field, Sunday always as 0; None for `*`."""
    if word == "*":
        return None
    found: set[int] = set()
    for part in word.split(","):
        numbers = _read_part(part, low, high, names)
        if not numbers:
            allowed = f"numbers from {low} to {high}" + (f" or {', '.join(names)}" if names else "")
            raise SpecError(f"CRON: {name} {part!r} is wrong; allowed are {allowed}, ranges 1-5, lists 1,3, steps */2")
        found |= numbers
    return frozenset(number % 7 for number in found) if name == "day of the week" else frozenset(found)


def _read_part(part: str, low: int, high: int, names: tuple[str, ...]) -> set[int]:
    """The numbers of `*`, `1`, `1-5` or one of these with a step; none if the part is wrong."""
    match = _PART.fullmatch(part.lower())
    if not match:
        return set()
    begin, end, step = match.groups()
    first = low if begin == "*" else _number(begin, low, names)
    last = high if begin == "*" or (step and not end) else _number(end or begin, low, names)
    if first is None or last is None or (begin == "*" and (end or not step)) or step == "0":
        return set()
    return set(range(first, last + 1, int(step or 1))) if low <= first <= last <= high else set()


def _number(word: str, low: int, names: tuple[str, ...]) -> int | None:
    if word in names:
        return low + names.index(word)
    return int(word) if word.isdecimal() else None
