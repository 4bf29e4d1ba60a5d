"""The one error of the chain.

Broken   a link does not hold, or could not be checked; its message becomes the link's fault
"""

from __future__ import annotations


class Broken(Exception):  # noqa: N818 -- it becomes a link's fault, and is never seen outside
    """A link does not hold, or could not be checked."""


def same(what: str, found: str, wanted: str) -> None:
    """Checks that two names of one thing are equal.

    Raises:
        Broken: they differ.
    """
    if found != wanted:
        raise Broken(f"{what} is {found}, and the chain names {wanted}")
