"""The one error of a replay.

ReplayError   a material that the receipt names is missing or changed, or the kept or rebuilt model cannot be used
"""

from __future__ import annotations


class ReplayError(Exception):
    """A version cannot be replayed; the message is meant to be shown."""
