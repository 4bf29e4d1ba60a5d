from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from components.models.machine import Machine, this_machine


def test_this_machine_is_named_with_what_decides_a_models_bytes() -> None:
    here = this_machine()
    assert here.libraries["numpy"] == np.__version__
    assert here.threads >= 1
    assert here.processor
    assert here.differences(here) == []


def test_the_number_of_threads_is_the_one_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    assert this_machine().threads == 17


def test_the_kernels_are_those_that_a_variable_asks_for() -> None:
    if not any("openblas" in found["internal_api"] for found in threadpool_info()):
        pytest.skip("numpy is built with another library than OpenBLAS")
    ask = "from components.models.machine import this_machine; print(this_machine().kernels)"
    found = set()
    for asked in ("Nehalem", "Haswell"):
        environment = {**os.environ, "OPENBLAS_CORETYPE": asked}
        done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 2, found


def test_every_difference_is_named_with_both_sides() -> None:
    there = Machine(
        system="Linux",
        architecture="x86_64",
        processor="A",
        threads=2,
        kernels="Haswell",
        python="3.11.7",
        libraries={"numpy": "1", "keras": "3"},
    )
    there = there.model_copy(update={"accelerator": "NVIDIA L4"})
    here = there.model_copy(
        update={"accelerator": "", "processor": "B", "threads": 8, "kernels": "Zen", "libraries": {"numpy": "2"}}
    )
    assert there.differences(here) == [
        "processor B instead of A",
        "threads 8 instead of 2",
        "kernels Zen instead of Haswell",
        "accelerator none instead of NVIDIA L4",
        "keras none instead of 3",
        "numpy 2 instead of 1",
    ]
