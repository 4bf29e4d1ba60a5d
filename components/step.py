"""The decorator that makes a function a step, and the one image of all steps.

A step's body imports what it needs from `components`, which is on the image's
PYTHONPATH, so nothing is installed when a step starts.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from kfp import dsl

#: The image of every step, built by `make platform-images`; `pipelines.compile --image` sets another on each task.
IMAGE: Final = "registry.local/canario/components:0.1.0"


def step(function: Callable[..., Any]) -> Any:
    """Makes a component of a function whose body is self-contained.

    Inside a running step KFP loads neither its compiler nor `dsl.component`
    (loading them takes seconds), so there the function stays as it is.
    """
    if os.environ.get("_KFP_RUNTIME") == "true":
        return function
    return dsl.component(function, base_image=IMAGE, install_kfp_package=False)
