"""The two ways from a package to an image: one layer on the server's image, and a whole image built by an engine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from components.image.contents import ROOT
from components.image.image_name import ImageName
from components.image.place import read_documents, write_image
from components.image.publishing import ImageInRegistry, ServerBase, publish_model_image
from components.image.repository import open_repository
from components.image.server import SERVER_RECIPE, server_tag
from components.package.model_package import Package
from components.package.signature import signature_file
from services.image.engine import Engine
from services.model_server.build import build_bento

_CHECK = ("python", "-m", "services.model_server.check", "--image", "--package", "/app/bento/src/package")


@dataclass(frozen=True)
class LayerWay:
    """Checks, writes, signs and attests images in a registry that has the server's image."""

    address: str
    key: Path

    @property
    def base(self) -> str:
        """The whole name of the server's image."""
        return f"{self.address}/canario/server:{server_tag()}"

    def bring(self, base: ServerBase) -> None:
        """Brings the server's image to the registry, once."""
        repository = open_repository(ImageName.parse(self.base))
        image = base.documents
        write_image(image, {image.id: image.config}, base.place, repository, server_tag())

    def make(self, package: Package, service: str) -> tuple[float, ImageInRegistry]:
        """Publishes a package that was never signed; the seconds it took, and the image."""
        signature_file(package.path).unlink(missing_ok=True)
        start = time.perf_counter()
        name = f"{self.address}/models/{service}"
        image = publish_model_image(package.path, self.base, name, key=self.key, say=lambda _: None)
        return time.perf_counter() - start, image

    def layers(self, image: ImageInRegistry) -> list[str]:
        """The digests of an image's layers."""
        documents = read_documents(open_repository(ImageName.parse(image.name)), image.digest, image.name)
        return [layer["digest"] for layer in documents.layers]


@dataclass(frozen=True)
class EngineWay:
    """Builds a whole image from the package's bento, its libraries from the engine's cache, and checks it from inside.

    It neither pushes nor signs.
    """

    engine: Engine
    base: str
    home: Path

    def make(self, package: Package) -> float:
        """The seconds that one image took; it is removed again."""
        tag = "localhost/canario-bench/model:1"
        start = time.perf_counter()
        bento = build_bento(package.path, self.home)
        options = self.engine.build_options({"BASE": self.base}, {})
        self.engine.build(bento, ROOT / SERVER_RECIPE, tag, options)
        self.engine.run(tag, _CHECK)
        seconds = time.perf_counter() - start
        self.engine.remove(tag)
        return seconds
