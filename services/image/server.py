"""The image of the model server without a model: BentoML turns the server into a bento, and the bento into an image."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from components.image.contents import ROOT
from components.image.record import BuiltImage
from components.image.server import SERVER_LABEL, SERVER_RECIPE, server_digest, server_tag
from services.image.engine import Engine
from services.image.recipe import SERVER_LIMIT_MB, ImagePlan, make
from services.model_server.build import bentoml_environment, build_server_bento

_CONTAINERFILE: Final = ROOT / SERVER_RECIPE


def server_image(name: str, base: str, engine: Engine, home: Path, say: Callable[[str], None]) -> BuiltImage:
    """Builds the image `name`, tagged by the digest of the server's lock and sources; the bento is kept in `home`.

    Raises:
        ServerError: the bento cannot be built.
        ImageError: the image cannot be built, or fails its check.
    """
    bento = build_server_bento(home, _CONTAINERFILE)
    say(f"bento {bento}")
    wanted = server_plan(name, base)

    def build(tag: str) -> None:
        with tempfile.TemporaryDirectory(prefix="canario-image-") as folder:
            environment = {**bentoml_environment(home.resolve()), "TMPDIR": folder}
            engine.call(_containerize(bento, tag, engine, wanted, base), Path(folder), environment)

    return make(engine, wanted, base, build, say)


def server_plan(name: str, base: str) -> ImagePlan:
    """What the server's image is to be."""
    about = {
        "title": "canario's model server",
        "description": "It serves the package in a layer above",
        "version": server_tag(),
        "licenses": "Apache-2.0",
        "base.name": base,
    }
    labels = {f"org.opencontainers.image.{key}": value for key, value in about.items()}
    return ImagePlan(
        name=name,
        tag=server_tag(),
        labels={**labels, SERVER_LABEL: server_digest()},
        check=("python", "-m", "services.model_server.check", "--image"),
        limit_mb=SERVER_LIMIT_MB,
    )


def _containerize(bento: Path, tag: str, engine: Engine, wanted: ImagePlan, base: str) -> list[str]:
    """The `bentoml containerize` command, which passes `--opt NAME=VALUE` to the engine as `--NAME=VALUE`.

    BentoML refuses a Containerfile outside its working directory, so the command runs in its own temporary folder.
    """
    options = engine.build_options({"BASE": base}, wanted.labels)
    passed = [part for option in options for part in ("--opt", option.removeprefix("--"))]
    command = [sys.executable, "-m", "bentoml", "containerize", f"{bento.parent.name}:{bento.name}"]
    return [*command, "--backend", engine.name, "--image-tag", tag, *passed]
