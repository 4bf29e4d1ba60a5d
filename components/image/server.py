"""The model server's identity: which files it is made of, and the digest of these."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from components.digest import sha256
from components.errors import ModelImageError
from components.image.contents import ROOT, ImageSources

#: Label with the digest of the model package in an image.
PACKAGE_LABEL: Final = "canario.package"
#: Label with the digest of the server in an image.
SERVER_LABEL: Final = "canario.server"
#: The last part of the name of the server's image.
SERVER_IMAGE: Final = "server"
#: The lock file, with hashes, of the server's environment.
SERVER_LOCK: Final = "services/model_server/requirements.txt"
#: How the server's image is built from its bento.
SERVER_RECIPE: Final = "services/image/server.Containerfile"
#: The files that serving needs; a bento holds no others.
SERVER_SOURCES: Final = ImageSources(
    rooms=("features", "package", "spec"),
    patterns=(
        *("services/__init__.py", "services/telemetry.py", "services/model_server/**/*.py"),
        *(SERVER_LOCK, SERVER_RECIPE),
    ),
)
#: Environment variable with the interpreter of the server's environment.
_PYTHON_VARIABLE: Final = "CANARIO_SERVER_PYTHON"
_TAG_DIGITS: Final = 12


def server_digest(root: Path = ROOT) -> str:
    """The digest of the server below `root`: of its lock, its sources and its image's recipe, with their names."""
    lines = [f"{sha256((root / file).read_bytes())}  {file}\n" for file in SERVER_SOURCES.files(root)]
    return sha256("".join(lines).encode())


def server_tag(root: Path = ROOT) -> str:
    """The tag of the server's image."""
    return short(server_digest(root))


def short(digest: str) -> str:
    """The first digits of a digest, for a tag."""
    return digest.removeprefix("sha256:")[:_TAG_DIGITS]


def server_python(root: Path = ROOT, environment: Mapping[str, str] = os.environ) -> Path:
    """The interpreter of the server's own environment: on a laptop `make setup` makes it, the steps' image has it.

    Raises:
        ModelImageError: there is none.
    """
    given = environment.get(_PYTHON_VARIABLE)
    places = [Path(given)] if given else [root / ".venv-server/bin/python", Path(sys.prefix, "server/bin/python")]
    for place in places:
        if place.is_file():
            return place
    raise ModelImageError(
        f"the server's environment is not there ({' or '.join(map(str, places))}); `make setup` makes it, and the "
        f"image of the pipeline's steps has it. {_PYTHON_VARIABLE} names another interpreter"
    )
