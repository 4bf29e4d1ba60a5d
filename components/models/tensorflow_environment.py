"""What TensorFlow's libraries read from the environment when they are loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: Files by which a machine offers its TPUs, below /dev.
_TPU_FILES: Final = ("accel[0-9]*", "vfio/[0-9]*")


def tensorflow_environment(dev: Path = Path("/dev")) -> dict[str, str]:
    """The variables to set before TensorFlow is loaded; those that are set already keep their value.

    Without a TPU its library asks Google's metadata server again and again, for eight minutes where there is none.
    """
    wanted = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    if not any(True for pattern in _TPU_FILES for _ in dev.glob(pattern)):
        wanted["TPU_SKIP_MDS_QUERY"] = "1"
    return {name: os.environ.get(name, value) for name, value in wanted.items()}
