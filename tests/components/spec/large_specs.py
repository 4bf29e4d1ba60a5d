"""Specs that are larger than usual."""

from __future__ import annotations

from typing import Any

from components.digest import sha256
from components.spec.contract import Spec
from tests.components.small_table import small_spec


def wide_spec(features: int, **changes: Any) -> Spec:
    """A spec with many features of which no two are alike."""
    wide = {
        f"{name * 7919 % 100_003:05d} spent": {"type": "number", "min": -name, "max": name**3 + 0.37}
        for name in range(features)
    }
    return small_spec(features=wide, **changes)


def long_spec() -> Spec:
    """A spec that is too long for a parameter, and quick to read."""
    return small_spec(purpose="".join(sha256(str(number).encode()) for number in range(600)))
