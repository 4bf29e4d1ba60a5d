"""The decorator that makes a function a step, and what each step does around its work.

The graph holds no code: a step imports its function from `components`, which lies in the
image's working directory, and nothing is installed when a step starts.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from kfp import dsl

from components.code import require_code
from components.errors import ComponentError

#: KFP asks for an image where a step is made; the graph gives each task its own (see `components.image.step_images`).
_NO_IMAGE: Final = "python"

#: KFP's own command holds the source of the whole function. KFP's local runner looks for the name of its program in it.
COMMAND: Final = ("python3", "-c", "from components.start import start;start('kfp.dsl.executor_main')")

#: The file whose text Kubernetes shows as the reason of a container's end, and the most bytes that it keeps:
#: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure
TERMINATION_LOG: Final = Path("/dev/termination-log")
_MOST_BYTES: Final = 4096


def step(function: Callable[..., Any]) -> Any:
    """Makes a component of a function at the top level of a module.

    Inside a running step KFP loads neither its compiler nor `dsl.component`
    (loading them takes seconds), so there the function stays as it is.
    """
    if os.environ.get("_KFP_RUNTIME") == "true":
        return function
    made = dsl.component(function, base_image=_NO_IMAGE, install_kfp_package=False)
    made.component_spec.implementation.container.command = list(COMMAND)
    return made


@contextlib.contextmanager
def running(code: str, reasons: Path = TERMINATION_LOG) -> Iterator[None]:
    """The frame of every step's work: refuses an image with other code, and tells Kubernetes why the step failed.

    Kubeflow's API shows no error of a step; Kubernetes hands on the text of one file.
    """
    try:
        require_code(code)
        yield
    except Exception as error:
        kind = "" if isinstance(error, ComponentError) else f"{type(error).__name__}: "
        tell(f"{kind}{error}", reasons)
        raise


def tell(sentence: str, reasons: Path = TERMINATION_LOG) -> None:
    """Tells Kubernetes why this container ends, by a file that a process of this machine does not have."""
    if reasons.exists():
        with contextlib.suppress(OSError):
            reasons.write_bytes(sentence.encode()[:_MOST_BYTES])
