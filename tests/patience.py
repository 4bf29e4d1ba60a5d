"""How long tests wait for what must happen, scaled by one setting.

The setting is a factor, 1 unless somebody says more. It lengthens every deadline of the tests, and pytest's own, for
a machine that is busy with other work. What a test measures is never scaled.
"""

from __future__ import annotations

import os
import time
from typing import Final

#: The factor's name in the environment.
SETTING: Final = "CANARIO_TEST_PATIENCE"
PATIENCE: Final = float(os.environ.get(SETTING, "1"))


def patient(seconds: float) -> float:
    """Scales a deadline of `seconds` that suffices on a quiet machine."""
    return seconds * PATIENCE


def patient_deadline(seconds: float) -> float:
    """The moment, as `time.monotonic` counts, at which waiting ends."""
    return time.monotonic() + patient(seconds)
