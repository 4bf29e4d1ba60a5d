"""The errors of the chain; their messages become the links' faults.

Broken       a link does not hold
NotChecked   what a link's check needs is not at hand
"""

from __future__ import annotations


class Broken(Exception):  # noqa: N818 -- it becomes a link's fault, and is never seen outside
    """A link does not hold."""


class NotChecked(Broken):
    """What a link's check needs is not at hand: that is no fault that was found, and no pass."""


def same(what: str, found: str, wanted: str) -> None:
    """Checks that two names of one thing are equal.

    Raises:
        Broken: they differ.
    """
    if found != wanted:
        raise Broken(f"{what} is {found}, and the chain names {wanted}")
