"""The one error of a replay.

ReplayError   something that the receipt names is not here or is another, or the rebuilt model answers otherwise
"""

from __future__ import annotations


class ReplayError(Exception):
    """A version cannot be replayed, or replayed to something else; the message is one to show."""
