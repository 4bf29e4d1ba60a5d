"""The image of one model: the server's image with the package as one more layer.

Where the registry has the server's image, the model's is written straight to it, without an engine. Elsewhere it
becomes an OCI layout in `images/<service>`, and is put into the engine's store if there is an engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.errors import ModelImageError
from components.image.golden_check import check_answers
from components.image.image_name import ImageName
from components.image.layout_folder import LayoutFolder
from components.image.place import read_documents, write_image
from components.image.publishing import (
    ModelImage,
    ServerBase,
    model_image,
    push_model_image,
    read_base,
    require_same_server,
)
from components.image.record import BuiltImage, write_record
from components.image.repository import open_repository
from components.image.server import SERVER_IMAGE, server_digest, server_python, server_tag
from components.package.model_package import Package
from services.image.engine import Engine, find_engine
from services.image.errors import EngineError
from services.image.recipe import NOWHERE, fetch_base
from services.image.server import server_image

_BASE_NAME = "org.opencontainers.image.base.name"


@dataclass(frozen=True)
class ImageWork:
    """Where images are made: name of the wanted one without a tag, the image below the server's, the build's folder."""

    name: str
    base: str
    out: Path
    say: Callable[[str], None]

    @property
    def images(self) -> Path:
        """The folder of records, logs and layouts."""
        return self.out / "images"

    @property
    def server(self) -> str:
        """The whole name of the server's image, in the same registry and folder."""
        return f"{self.name.rpartition('/')[0]}/{SERVER_IMAGE}:{server_tag()}"


def write_model_image(package: Package, work: ImageWork) -> BuiltImage:
    """Checks a package's golden answers and writes its image, tagged by its content.

    Raises:
        ModelImageError: there is no base and no engine that builds one, or a golden request is answered wrong.
        ImageRegistryError: the registry in the name refuses.
        ImageError: the engine failed.
    """
    base = _base_in_registry(work)
    if base is None:
        return _write_layout(package, base_here(work), work)
    work.say(check_answers(package.path, server_python()))
    image, name = model_image(package, base), ImageName.parse(work.name)
    sent = push_model_image(image, base, open_repository(name), name)
    work.say(f"written to the registry, on {base.name}: {sent} blobs were sent")
    return _record(work, base, image, package)


def _write_layout(package: Package, base: ServerBase, work: ImageWork) -> BuiltImage:
    work.say(check_answers(package.path, server_python()))
    image = model_image(package, base)
    name = ImageName.parse(work.name)
    folder = work.images / package.contract.name
    write_image(image.documents, image.own, base.place, LayoutFolder(folder, name), image.tag)
    work.say(f"written as the OCI layout {folder}, on {base.name}")
    try:
        engine = find_engine(work.images / f"{package.contract.name}.log")
    except EngineError:
        work.say("no engine answers here, so the image is in no engine's store")
    else:
        engine.load(folder, f"{work.name}:{image.tag}")
        work.say(f"loaded into the store of {engine.name}")
    return _record(work, base, image, package)


def _record(work: ImageWork, base: ServerBase, image: ModelImage, package: Package) -> BuiltImage:
    return BuiltImage(
        name=work.name,
        tag=image.tag,
        digest=image.documents.manifest.digest,
        id=image.documents.id,
        package=package.digest,
        size_bytes=len(image.layer),
        base=base.name,
    )


def _base_in_registry(work: ImageWork) -> ServerBase | None:
    """The server's image in the registry of the wanted name; None if that names no registry, or it is not there."""
    if work.name.startswith(NOWHERE):
        return None
    name = ImageName.parse(work.server)
    if not open_repository(name).digest_of(name.tag):
        work.say(f"{work.server} is not in the registry; a base is made here")
        return None
    base = read_base(work.server)
    require_same_server(base)
    return base


def base_here(work: ImageWork) -> ServerBase:
    """The server's image as a layout, which is exported from an engine's store, or built, if it is missing or old."""
    folder = work.images / SERVER_IMAGE
    if (folder / "index.json").is_file():
        base = _in_layout(folder, work)
        if base.server == server_digest() and base.documents.labels.get(_BASE_NAME) == work.base:
            return base
    try:
        engine = find_engine(work.images / f"{SERVER_IMAGE}.log")
    except EngineError as error:
        raise ModelImageError(
            f"the server's image {work.server} is neither in its registry nor in {folder}, and nothing builds it here: "
            f"{error}. Where there is one, `make platform-images PARTS={SERVER_IMAGE} REGISTRY=host/folder` and `make "
            f"publish ENV=staging PART={SERVER_IMAGE}` bring it to a registry; from then on no engine is needed"
        ) from error
    _build_if_missing(engine, work)
    draft = LayoutFolder(folder.with_name(f".{SERVER_IMAGE}"))
    draft.clear()
    engine.export(work.server, draft.folder)
    LayoutFolder(folder).replace_by(draft)
    base = _in_layout(folder, work)
    require_same_server(base)
    return base


def _build_if_missing(engine: Engine, work: ImageWork) -> None:
    try:
        if engine.stored(work.server).labels.get(_BASE_NAME) == work.base:
            return
    except EngineError:
        pass
    work.say(f"{engine.name} builds the server's image, once for all models; {engine.log} has all that it says")
    fetch_base(engine, work.base)
    name = work.server.rpartition(":")[0]
    write_record(work.images, server_image(name, work.base, engine, work.images / "bento", work.say))


def _in_layout(folder: Path, work: ImageWork) -> ServerBase:
    place = LayoutFolder(folder)
    return ServerBase(work.server, place, read_documents(place, "", str(folder)))
