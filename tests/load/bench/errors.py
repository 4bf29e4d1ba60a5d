"""What ends a benchmark before it has measured anything."""

from __future__ import annotations


class BenchError(Exception):
    """A table that peers do not take, or a contestant that does not start or answers wrongly."""
