"""Finds the bytes of a built image: in the layout that `make image` left, in its registry, or in an engine's store."""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.image.image_name import ImageName
from components.image.layout_folder import LayoutFolder
from components.image.place import read_documents, write_image
from components.image.record import BuiltImage
from components.image.repository import open_repository
from services.image.engine import find_engine
from services.image.recipe import NOWHERE


def image_layout(built: BuiltImage, kept: Path, scratch: Path) -> Path:
    """The folder of an OCI layout with the image of a record.

    Args:
        built: the record.
        kept: the layout that `make image` writes where no registry has the server's image; it may be missing.
        scratch: folder for an image that has to be fetched.

    Raises:
        ImageError: the image is only in an engine's store, and there is no engine or the store lacks it.
        ComponentError: the registry refuses, or its bytes are wrong.
    """
    if built.digest and LayoutFolder(kept).has_blob(built.digest):
        return kept
    # A folder of its own: whoever asks again after a failure must not find half an image.
    folder = Path(tempfile.mkdtemp(prefix="image-", dir=scratch))
    if not _is_fetched(built, folder):
        find_engine(scratch / "engine.log").export(f"{built.name}:{built.tag}", folder)
    return folder


def _is_fetched(built: BuiltImage, folder: Path) -> bool:
    """Fetches the image from the registry in its name; False if it names none, or the registry lacks the image."""
    digest = built.published or built.digest
    if built.name.startswith(NOWHERE) or not digest:
        return False
    repository = open_repository(ImageName.parse(built.name))
    if repository.manifest(digest) is None:
        return False
    image = read_documents(repository, digest, f"{built.name}@{digest}")
    write_image(image, {image.id: image.config}, repository, LayoutFolder(folder), built.tag)
    return True
