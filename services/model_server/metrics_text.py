"""Metrics in Prometheus's text format, for those of which there are too many for the client library's objects."""

from __future__ import annotations

from collections.abc import Mapping


def escaped(text: str) -> str:
    """A label's value as the format writes it."""
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def family(name: str, kind: str, text: str, numbers: Mapping[str, float]) -> list[str]:
    """The lines of one metric; `numbers` are keyed by their labels."""
    head = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    return [*head, *(f"{name}{{{labels}}} {number}" for labels, number in numbers.items())]
