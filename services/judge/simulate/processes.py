"""The processes that play rollouts at the same time."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def pool(processes: int | None = None) -> ProcessPoolExecutor:
    """As many new processes as there are cores, by default."""
    # Spawned workers read this variable; threads within small matrix products only wait for each other.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return ProcessPoolExecutor(processes or os.cpu_count(), mp_context=get_context("spawn"))
