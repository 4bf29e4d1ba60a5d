"""Checks an image's real contents: its package, its signature, its libraries and its bill of materials."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from components.image.layout import read_layout
from components.package.model_package import Package, read_package
from components.package.papers import materials_file
from components.package.signature import check_signature
from components.signing.sbom import bill_of_materials
from k8s.lineage.errors import Broken, same
from services.model_server.build import LOCK_FILE

#: Where services/image/server.Containerfile puts the bento's sources, and `package_layer` the package.
_SOURCES: Final = "app/bento/src/"
_PACKAGE: Final = Path("package")
_LOCK: Final = str(LOCK_FILE.relative_to(LOCK_FILE.parents[2]))
_LIBRARY: Final = ".dist-info/METADATA"


@dataclass(frozen=True)
class ImageBytes:
    """The parts of an image to check: its digests, its user, and files by their path below the bento's sources.

    Attributes:
        manifest: digest by which a registry knows the image.
        config: digest that is the same everywhere.
        libraries: name and version of each installed library.
    """

    manifest: str
    config: str
    user: str
    files: Mapping[str, bytes]
    libraries: frozenset[tuple[str, str]]


def read_image(folder: Path) -> ImageBytes:
    """Reads the image in an OCI layout; checks every byte against its digest.

    Raises:
        LayoutError: a byte does not match its digest.
    """
    layout = read_layout(folder)
    found = layout.contents(lambda name: name.startswith(_SOURCES) or name.endswith(_LIBRARY))
    sources = {name.removeprefix(_SOURCES): content for name, content in found.items() if name.startswith(_SOURCES)}
    libraries = frozenset(
        _named(content) for name, content in found.items() if name.startswith("app/.venv/") and name.endswith(_LIBRARY)
    )
    user = str(layout.about.get("config", {}).get("User", ""))
    return ImageBytes(layout.manifest, layout.config, user, sources, libraries)


def check_package(image: ImageBytes, package: Package, public_key: str) -> None:
    """Checks that the image holds this package, signed if a public key is given, and does not run as root.

    Raises:
        Broken: the package is another one, or the user is root.
        PackageError: the package's bytes or signature are wrong.
    """
    with tempfile.TemporaryDirectory(prefix="canario-image-") as folder:
        for name, content in image.files.items():
            if name.startswith(str(_PACKAGE)):
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        inside = read_package(Path(folder) / _PACKAGE)
        same("the package in the image", inside.digest, package.digest)
        if public_key:
            check_signature(inside, public_key)
    user = image.user.partition(":")[0]
    if not user.isdigit() or int(user) == 0:
        raise Broken(f"the image runs as user {image.user!r}; a number that is not 0 is wanted")


def check_materials(image: ImageBytes, package: Package) -> str:
    """Checks that an image's bill of materials matches its lock file and its installed libraries.

    Raises:
        Broken: the bill is missing, or lists other libraries than are locked or installed.
    """
    listed, lock = image.files.get(str(materials_file(_PACKAGE))), image.files.get(_LOCK)
    if listed is None or lock is None:
        raise Broken("the image has no bill of materials; `make sign` writes it, and then `make image` takes it along")
    with tempfile.TemporaryDirectory(prefix="canario-lock-") as folder:
        path = Path(folder, "requirements.txt")
        path.write_bytes(lock)
        if listed.decode(errors="replace") != bill_of_materials(package, path):
            raise Broken("the image's bill of materials is not that of its own lock file and package")
    parts = [one for one in json.loads(listed)["components"] if one["type"] == "library"]
    wanted = {(canonicalize_name(one["name"]), one["version"]) for one in parts}
    different = sorted(" ".join(one) for one in wanted ^ image.libraries)
    if different:
        raise Broken(f"installed and listed libraries differ by {', '.join(different)}")
    return f"{len(parts)} libraries are listed and installed"


def _named(metadata: bytes) -> tuple[str, str]:
    headers = HeaderParser().parsestr(metadata.decode(errors="replace"))
    return canonicalize_name(str(headers["Name"])), str(headers["Version"])
