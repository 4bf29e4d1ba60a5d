"""A small table with every kind of feature, gaps and a pattern to learn, and its spec."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from components.spec.contract import Spec
from components.table.cells import parse_table
from components.table.examples import Examples, examples_of

DOCUMENT: dict[str, Any] = {
    "name": "small",
    "data": {"uri": "small.csv", "target": "left", "positive": "yes"},
    "features": {
        "größe": {"type": "number", "unit": "cm", "min": 0, "max": 300, "missing": "allowed"},
        "plan": {"type": "category", "values": ["basic", "plus", "pro"], "missing": "allowed"},
        "since": {"type": "date", "min": "2019-01-01", "max": "2025-01-01"},
        "spend": {"type": "number", "unit": "cents", "min": 0, "max": 50000, "factor": 0.01},
        "senior": {"type": "category", "values": [0, 1]},
    },
    "training": {"candidates": ["logistic_regression"], "trials": 2, "folds": 2},
}


def small_spec(**changes: Any) -> Spec:
    """The spec, with some of its sections replaced."""
    return Spec.model_validate({**DOCUMENT, **changes})


def small_frame(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Makes the table; its first rows are the same for any number of rows."""
    generators = np.random.default_rng(seed).spawn(5)
    size = generators[0].normal(170, 20, rows).round(1)
    plan = np.array(["basic", "plus", "pro"], dtype=object)[generators[1].integers(0, 3, rows)]
    days = generators[2].integers(0, 2000, rows)
    spend = generators[3].uniform(0, 400, rows).round(2)
    noise = generators[4].random((rows, 3))
    odds = (size - 170) / 15 + (plan == "pro") * 1.5 - spend / 150
    frame = pd.DataFrame(
        {
            "größe": np.where(noise[:, 0] < 0.1, np.nan, size),
            "plan": pd.Series(plan).mask(noise[:, 1] < 0.1),
            "since": (pd.Timestamp("2019-03-01") + pd.to_timedelta(days, unit="D")).strftime("%Y-%m-%d"),
            "spend": spend,
            "senior": (days % 5 == 0).astype(int),
            "note": [f"row {row}" for row in range(rows)],
        }
    )
    frame["left"] = np.where(noise[:, 2] < 1 / (1 + np.exp(-odds)), "yes", "no")
    return frame


def csv_of(frame: pd.DataFrame) -> bytes:
    """The table as a CSV file."""
    return frame.to_csv(index=False).encode()


def read_back(frame: pd.DataFrame) -> pd.DataFrame:
    """The table as `components.table.cells` reads its CSV file."""
    return parse_table(csv_of(frame), "small.csv").frame


def small_examples(rows: int = 600, spec: Spec | None = None, **changes: Any) -> Examples:
    """The examples in the small table; `changes` are columns that replace its own."""
    return examples_of(read_back(small_frame(rows).assign(**changes)), spec or small_spec())
