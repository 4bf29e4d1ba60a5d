"""The record of a built image: `build/images/<name>.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from components.digest import Digest
from components.errors import ImageRecordError
from components.files import write_atomically
from components.spec.contract import ClosedModel


class BuiltImage(ClosedModel):
    """An image that was built and passed its check."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(description="Registry and name, without the tag.")
    tag: str
    digest: str = Field(default="", description="The image's digest in the engine's store.")
    id: str = Field(default="", description="The configuration's digest, the same everywhere.")
    package: str | None = Field(description="Digest of its model package; null for a platform program.")
    size_bytes: int = Field(default=0, description="Uncompressed size without the base image.")
    base: str = Field(default="", description="The image that it was built on.")
    published: Literal[""] | Digest = Field(default="", description="Digest in the registry; set by `make publish`.")


def write_record(folder: Path, image: BuiltImage) -> Path:
    """Writes `<folder>/<last part of the name>.json` atomically; returns its path."""
    path = folder / f"{image.name.rpartition('/')[2]}.json"
    unpublished = None if image.published else {"published"}
    return write_atomically(path, image.model_dump_json(indent=2, exclude=unpublished) + "\n")


def read_record(path: Path) -> BuiltImage:
    """The image in a record.

    Raises:
        ImageRecordError: the record is missing or broken.
    """
    try:
        return BuiltImage.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ImageRecordError(f"{path} is not there") from error
    except (OSError, ValidationError) as error:
        raise ImageRecordError(f"{path} is broken") from error
