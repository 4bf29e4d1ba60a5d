"""The steps that every image shares: fetch its base, build it, check it, name it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.image.record import BuiltImage
from components.image.server import short
from services.image.engine import Engine
from services.image.errors import EngineError, ImageError, RefusedImage

#: Environment variable that names a base other than the pinned one.
BASE_VARIABLE: Final = "CANARIO_BASE_IMAGE"
#: Largest size of the server's image beyond its base, in MB (10^6 bytes), uncompressed.
SERVER_LIMIT_MB: Final = 330
#: The prefix of image names that are not meant for a registry.
NOWHERE: Final = "registry.local/"
#: Name of an image until it passes its check.
_UNCHECKED: Final = "localhost/canario-unchecked"
_PIN: Final = Path(__file__).with_name("base.txt")

#: Builds the image under the given name.
Build = Callable[[str], None]


@dataclass(frozen=True)
class ImagePlan:
    """An image to build. `name` is without the tag; `check` is the command that must succeed inside the image.

    With `by_content` the tag ends in digits of the built image's own digest, because the same inputs may give another
    image, such as one with newer packages of Debian, and a registry may refuse to move a tag.
    """

    name: str
    tag: str
    labels: Mapping[str, str]
    check: tuple[str, ...]
    limit_mb: int | None = None
    by_content: bool = False


def base_image(given: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """The base image: the given one, else the environment variable's, else the pinned one."""
    return given or environment.get(BASE_VARIABLE) or _PIN.read_text(encoding="utf-8").strip()


def fetch_base(engine: Engine, base: str) -> None:
    """Makes sure that the base is in the engine's store.

    Raises:
        ImageError: the base is not in the store and cannot be pulled.
    """
    try:
        engine.pull(base)
    except EngineError as error:
        raise ImageError(
            f"the base image {base} cannot be had ({engine.name} says so in {engine.log}). Where no registry is "
            f"reached, name one of the local store by --base or {BASE_VARIABLE}; Python 3.11 on Debian is needed"
        ) from error


def make(engine: Engine, wanted: ImagePlan, base: str, build: Build, say: Callable[[str], None]) -> BuiltImage:
    """Builds an image, checks it from inside, and only then names it.

    Raises:
        EngineError: the build failed.
        RefusedImage: the image was built and failed its check; it keeps its unchecked name.
    """
    unchecked = f"{_UNCHECKED}/{wanted.name.rpartition('/')[2]}:{wanted.tag}"
    build(unchecked)
    stored = engine.stored(unchecked)
    tag = f"{wanted.tag}-{short(stored.id)}" if wanted.by_content else wanted.tag
    name = f"{wanted.name}:{tag}"
    size = stored.size_bytes - engine.stored(base).size_bytes
    say(f"built by {engine.name}: {size / 1e6:.0f} MB beyond the base {base}")
    if wanted.limit_mb is not None and size > wanted.limit_mb * 1e6:
        raise RefusedImage(
            f"{name} is refused: it has {size / 1e6:.0f} MB beyond its base, and {wanted.limit_mb} are allowed. "
            f"It stays as {unchecked}, to look at"
        )
    try:
        said = engine.run(unchecked, wanted.check)
    except EngineError as error:
        raise RefusedImage(f"{name} is refused; it stays as {unchecked}, to look at. {error}") from error
    say(f"checked in a container: {said.strip().splitlines()[-1]}")
    engine.rename(unchecked, name)
    return BuiltImage(
        name=wanted.name,
        tag=tag,
        digest=stored.digest,
        id=stored.id,
        package=None,
        size_bytes=size,
        base=base,
    )
