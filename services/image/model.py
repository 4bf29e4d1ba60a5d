"""The image of a model: BentoML turns the package into a bento, and the bento into an image."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from components.image.record import BuiltImage
from components.package.model_package import Package
from services.image.engine import Engine
from services.image.recipe import MODEL_LIMIT_MB, PACKAGE_LABEL, ImagePlan, make
from services.model_server.build import bentoml_environment, build_bento

_CONTAINERFILE: Final = Path(__file__).with_name("model.Containerfile")
_TAG_DIGITS: Final = 12


def model_image(
    package: Package, name: str, base: str, engine: Engine, home: Path, say: Callable[[str], None]
) -> BuiltImage:
    """Builds the image `name`, tagged by its package's digest; the bento is kept in `home`.

    Raises:
        ServerError: the bento cannot be built.
        ImageError: the image cannot be built, or fails its check.
    """
    bento = build_bento(package.path, home, _CONTAINERFILE)
    say(f"bento {bento}")
    wanted = _wanted(package, name, base)

    def build(tag: str) -> None:
        with tempfile.TemporaryDirectory(prefix="canario-image-") as folder:
            environment = {**bentoml_environment(home.resolve()), "TMPDIR": folder}
            engine.call(_containerize(bento, tag, engine, wanted, base), Path(folder), environment)

    return make(engine, wanted, base, build, say)


def _wanted(package: Package, name: str, base: str) -> ImagePlan:
    contract, tag = package.contract, package.digest.removeprefix("sha256:")[:_TAG_DIGITS]
    about = {
        "title": contract.name,
        "description": contract.description or f"The model {contract.name}",
        "version": tag,
        "revision": package.receipt.code,
        "licenses": "Apache-2.0",
        "base.name": base,
    }
    labels = {f"org.opencontainers.image.{key}": value for key, value in about.items()}
    return ImagePlan(
        name=name,
        tag=tag,
        labels={**labels, PACKAGE_LABEL: package.digest},
        check=("python", "-m", "services.model_server.check"),
        limit_mb=MODEL_LIMIT_MB,
    )


def _containerize(bento: Path, tag: str, engine: Engine, wanted: ImagePlan, base: str) -> list[str]:
    """The `bentoml containerize` command, which passes `--opt NAME=VALUE` to the engine as `--NAME=VALUE`.

    BentoML refuses a Containerfile outside its working directory, so the command runs in its own temporary folder.
    """
    options = engine.build_options({"BASE": base}, wanted.labels)
    passed = [part for option in options for part in ("--opt", option.removeprefix("--"))]
    command = [sys.executable, "-m", "bentoml", "containerize", f"{bento.parent.name}:{bento.name}"]
    return [*command, "--backend", engine.name, "--image-tag", tag, *passed]
