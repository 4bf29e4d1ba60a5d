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
    """An image that passed its check."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(description="Registry and name, without the tag.")
    tag: str
    digest: str = Field(default="", description="Its digest as the engine's store has it.")
    id: str = Field(default="", description="Its configuration's digest, the same in every store, registry and node.")
    package: str | None = Field(description="Digest of the model package in it; null for a program of the platform.")
    size_bytes: int = Field(default=0, description="Uncompressed, beyond its base.")
    base: str = Field(default="", description="The image that it was built on.")
    published: Literal[""] | Digest = Field(default="", description="Its digest in the registry; `make publish`.")


def write_record(folder: Path, image: BuiltImage) -> Path:
    """Writes `<folder>/<last part of the name>.json`, replaced as a whole; returns its path."""
    path = folder / f"{image.name.rpartition('/')[2]}.json"
    unpublished = None if image.published else {"published"}
    return write_atomically(path, image.model_dump_json(indent=2, exclude=unpublished) + "\n")


def read_record(path: Path) -> BuiltImage:
    """The image in a record.

    Raises:
        ImageRecordError: the record is not there or broken.
    """
    try:
        return BuiltImage.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ImageRecordError(f"{path} is not there") from error
    except (OSError, ValidationError) as error:
        raise ImageRecordError(f"{path} is broken") from error
