from __future__ import annotations

import numpy as np
import pytest

from components.machine import Machine, this_machine


def test_this_machine_is_named_with_what_decides_a_models_bytes() -> None:
    here = this_machine()
    assert here.libraries["numpy"] == np.__version__
    assert here.threads >= 1
    assert here.processor
    assert here.differences(here) == []


def test_the_number_of_threads_is_the_one_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    assert this_machine().threads == 17


def test_every_difference_is_named_with_both_sides() -> None:
    there = Machine(
        system="Linux",
        architecture="x86_64",
        processor="A",
        threads=2,
        python="3.11.7",
        libraries={"numpy": "1", "keras": "3"},
    )
    here = there.model_copy(update={"processor": "B", "threads": 8, "libraries": {"numpy": "2"}})
    assert there.differences(here) == [
        "processor B instead of A",
        "threads 8 instead of 2",
        "keras none instead of 3",
        "numpy 2 instead of 1",
    ]
