"""The image of each step: only the steps that train run on the image of the spec's accelerator."""

from __future__ import annotations

from typing import Final

from components.errors import SpecError
from components.spec.contract import Training

#: What stands behind the name of the steps' image in the name of an accelerator's; `make platform-images` makes both.
SUFFIXES: Final = {"cpu": "", "gpu": "-cuda", "tpu": "-tpu"}


def training_image(image: str, training: Training) -> str:
    """The image of the steps tune and train, by the name of the other steps' image.

    `host/components:0.1.0` becomes `host/components-cuda:0.1.0` for a GPU; for cpu it stays.

    Raises:
        SpecError: the image is named by a digest, from which another image's name cannot be told.
    """
    suffix = SUFFIXES[training.accelerator]
    if not suffix:
        return image
    if "@" in image:
        raise SpecError(
            f"training.accelerator: {training.accelerator} needs the image with {suffix} behind its name, and {image} "
            "names one image by its digest; name the steps' image by a tag that both have"
        )
    folder, slash, last = image.rpartition("/")
    name, colon, tag = last.partition(":")
    return f"{folder}{slash}{name}{suffix}{colon}{tag}"
