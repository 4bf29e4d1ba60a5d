"""What holds for every test."""

import gc
import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.patience import PATIENCE, patient
from tests.time_limits import limit_seconds

# How long an example takes says how busy the machine is, and nothing about the law that is tested.
# Examples are the same in every run, so that a change is judged by itself; HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile("canario", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "canario"))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Gives a test as much more time as everything that it waits for."""
    if PATIENCE != 1:
        item.add_marker(pytest.mark.timeout(patient(limit_seconds(item))), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Imports without looking for garbage meanwhile, which is a quarter of the work; what is imported stays, anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        gc.enable()
