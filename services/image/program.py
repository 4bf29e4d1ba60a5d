"""Images of the platform's programs, such as the judge, the pipeline's steps, MLflow and stand-ins for cloud stores."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.code import IMAGE_LOCKS, LOCK_FILE
from components.image.contents import ROOT, ImageSources
from components.image.record import BuiltImage
from services.image.engine import Engine
from services.image.recipe import ImagePlan, make

_HERE: Final = Path(__file__).parent
_CONTAINERFILE: Final = _HERE / "program.Containerfile"
_IMPORTS: Final = ("python", "-c", (_HERE / "imports.py").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class PlatformProgram:
    """The contents of an image: the packages of a lock file, our sources, and Debian's `packages`.

    `unbuilt` names packages of the lock file that come only as sources; all others are wheels. `check` is a command
    that must succeed in a container of the image; by default it imports every source.
    """

    title: str
    lock: str
    sources: ImageSources
    packages: tuple[str, ...]
    unbuilt: tuple[str, ...] = ()
    check: tuple[str, ...] = _IMPORTS


def _steps(title: str, device: str) -> PlatformProgram:
    """The image of the steps for one kind of device; all have the same sources and so the same digest of the code."""
    return PlatformProgram(
        title=title,
        lock=f"{IMAGE_LOCKS}/{device}.txt",
        sources=ImageSources(patterns=("components/**/*.py", f"{IMAGE_LOCKS}/*.txt", LOCK_FILE)),
        packages=("ca-certificates", "git"),
        unbuilt=("kfp-server-api",),
    )


PROGRAMS: Final = {
    "judge": PlatformProgram(
        title="canario's judge",
        lock="services/judge/requirements.txt",
        sources=ImageSources(
            rooms=("git", "releases", "spec", "spec/reading"),
            patterns=("services/__init__.py", "services/telemetry.py", "services/judge/**/*.py"),
            without="services/judge/simulate",
        ),
        packages=("ca-certificates", "git"),
    ),
    "components": _steps("the steps of canario's pipeline", "cpu"),
    "components-cuda": _steps("the steps of canario's pipeline that compute on NVIDIA's GPUs", "cuda"),
    "components-tpu": _steps("the steps of canario's pipeline that compute on TPUs", "tpu"),
    "mlflow": PlatformProgram(
        title="MLflow's server, as canario runs it",
        lock="services/image/locks/mlflow.txt",
        sources=ImageSources(),
        packages=("ca-certificates",),
        check=("python", "-c", "import boto3, google.cloud.storage, mlflow.server, psycopg; print(mlflow.__version__)"),
    ),
    "stores": PlatformProgram(
        title="a PostgreSQL and an S3-compatible store, which stand for a cloud's",
        lock="services/image/locks/stores.txt",
        sources=ImageSources(),
        packages=("postgresql",),
        check=("bash", "-ec", "id --name --user; rclone --config= version; /usr/lib/postgresql/*/bin/postgres -V"),
    ),
    "load": PlatformProgram(
        title="callers of a service that canario serves",
        lock="tests/load/requirements.txt",
        sources=ImageSources(
            rooms=("features", "spec", "spec/reading", "table"),
            patterns=("services/__init__.py", "services/telemetry.py", "tests/load/*.py"),
        ),
        packages=("ca-certificates",),
    ),
}


def program_image(
    program: PlatformProgram, name: str, base: str, engine: Engine, say: Callable[[str], None]
) -> BuiltImage:
    """Builds the image `name`, tagged by the project's version.

    Raises:
        ImageError: the image cannot be built, or fails its check.
    """
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    about = {"title": program.title, "version": version, "licenses": "Apache-2.0", "base.name": base}
    labels = {f"org.opencontainers.image.{key}": value for key, value in about.items()}

    def build(tag: str) -> None:
        with tempfile.TemporaryDirectory(prefix="canario-image-") as folder:
            stage(program, Path(folder))
            arguments = {
                "BASE": base,
                "LOCK": program.lock,
                "PACKAGES": " ".join(program.packages),
                "SOURCES": ",".join(program.unbuilt) or ":none:",
            }
            options = engine.build_options(arguments, labels)
            engine.build(Path(folder), _CONTAINERFILE, tag, options)

    return make(engine, ImagePlan(name, version, labels, program.check), base, build, say)


def stage(program: PlatformProgram, context: Path) -> None:
    """Copies the image's files, and no others, into the build context."""
    shutil.copyfile(ROOT / program.lock, context / "requirements.txt")
    (context / "src").mkdir()
    for path in program.sources.files():
        (context / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, context / "src" / path)
