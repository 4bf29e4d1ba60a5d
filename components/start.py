"""Starts a step in its pod: what the graph writes of this is short, since Kubeflow records it of each step nine times.

KFP takes the function of a step from a file. Here that is this very file, which imports the step by its name.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Final

#: The module of a step, where it has another name than the function.
_MODULES: Final = {"image": "imaging"}


def start(program: str) -> None:
    """Runs KFP's `program`, a module, on the command line's arguments and this file.

    KFP is imported only then: whether it loads its compiler, which takes seconds, it asks the environment.
    """
    os.environ["_KFP_RUNTIME"] = "true"
    sys.argv += ["--component_module_path", __file__]
    importlib.import_module(program).executor_main()


def __getattr__(name: str) -> Any:
    """A step by the name of its function."""
    try:
        return getattr(importlib.import_module(f"components.{_MODULES.get(name, name)}"), name)
    except ModuleNotFoundError as error:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from error
