"""The image of each step: only the steps that train run on the image of the spec's accelerator."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from components.code import ROOT, code_digest
from components.digest import sha256
from components.errors import SpecError
from components.image.server import server_digest, short
from components.spec.contract import Training

#: What stands behind the name of the steps' image in the name of an accelerator's; `make platform-images` makes both.
SUFFIXES: Final = {"cpu": "", "gpu": "-cuda", "tpu": "-tpu"}


def steps_tag(root: Path = ROOT) -> str:
    """The tag of the steps' images, made from the code and the server in them: a tag never moves to other code."""
    return short(sha256(f"{code_digest(root)}{server_digest(root)}".encode()))


def steps_image(root: Path = ROOT) -> str:
    """The image of every step that `make platform-images` builds from this tree, where no registry is named."""
    return f"registry.local/canario/components:{steps_tag(root)}"


def training_image(image: str, training: Training) -> str:
    """The image of the steps tune and train, by the name of the other steps' image.

    `host/components:1` becomes `host/components-cuda:1` for a GPU; for cpu it stays.

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
