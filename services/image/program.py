"""Images of the platform's own programs: the judge, the pipeline's steps, MLflow, and what stands for a cloud."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.image.engine import Engine
from services.image.recipe import ROOT, BuiltImage, Wanted, make

_HERE: Final = Path(__file__).parent
_CONTAINERFILE: Final = _HERE / "program.Containerfile"
_IMPORTS: Final = ("python", "-c", (_HERE / "imports.py").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Program:
    """What an image holds: a lock file's packages, sources (patterns below the root), and Debian's `packages`.

    `unbuilt` names packages of the lock file that come as sources only; every other is a wheel. `check` is run in a
    container of it and has to succeed; without a word of its own it imports every source.
    """

    title: str
    lock: str
    sources: tuple[str, ...]
    without: str | None
    packages: tuple[str, ...]
    unbuilt: tuple[str, ...] = ()
    check: tuple[str, ...] = _IMPORTS


#: What reads a table as its spec says.
_TABLES: Final = (
    *("__init__", "errors", "files", "package/__init__", "package/encoding", "spec/__init__", "spec/contract"),
    *("spec/loading", "spec/strict_yaml", "table/__init__", "table/cells", "table/examples", "table/files"),
    *("table/kinds", "table/requests"),
)

PROGRAMS: Final = {
    "judge": Program(
        title="canario's judge",
        lock="services/judge/requirements.txt",
        sources=(
            *(f"components/{name}.py" for name in ("__init__", "errors")),
            *(f"components/spec/{name}.py" for name in ("__init__", "contract", "loading", "strict_yaml")),
            "services/__init__.py",
            "services/telemetry.py",
            "services/judge/**/*.py",
        ),
        without="services/judge/simulate",
        packages=("ca-certificates", "git"),
    ),
    "components": Program(
        title="the steps of canario's pipeline",
        lock="components/requirements.txt",
        sources=("components/**/*.py", "requirements.txt"),
        without=None,
        packages=("ca-certificates", "git"),
        unbuilt=("kfp-server-api",),
    ),
    "mlflow": Program(
        title="MLflow's server, as canario runs it",
        lock="services/image/locks/mlflow.txt",
        sources=(),
        without=None,
        packages=("ca-certificates",),
        check=("python", "-c", "import boto3, google.cloud.storage, mlflow.server, psycopg; print(mlflow.__version__)"),
    ),
    "stores": Program(
        title="a PostgreSQL and an S3-compatible store, which stand for a cloud's",
        lock="services/image/locks/stores.txt",
        sources=(),
        without=None,
        packages=("postgresql",),
        check=("bash", "-ec", "id --name --user; rclone --config= version; /usr/lib/postgresql/*/bin/postgres -V"),
    ),
    "load": Program(
        title="callers of a service that canario serves",
        lock="tests/load/requirements.txt",
        sources=(
            *(f"components/{name}.py" for name in _TABLES),
            "services/__init__.py",
            "services/telemetry.py",
            *(f"tests/load/{name}.py" for name in ("callers", "locustfile", "tally")),
        ),
        without=None,
        packages=("ca-certificates",),
    ),
}


def program_image(program: Program, name: str, base: str, engine: Engine, say: Callable[[str], None]) -> BuiltImage:
    """The image `name`, tagged by the project's version.

    Raises:
        ImageError: the image cannot be built, or is not good.
    """
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    about = {"title": program.title, "version": version, "licenses": "Apache-2.0", "base.name": base}
    labels = {f"org.opencontainers.image.{key}": value for key, value in about.items()}

    def build(tag: str) -> None:
        with tempfile.TemporaryDirectory(prefix="canario-image-") as folder:
            stage(program, Path(folder))
            arguments = {
                "BASE": base,
                "PACKAGES": " ".join(program.packages),
                "SOURCES": ",".join(program.unbuilt) or ":none:",
            }
            options = engine.build_options(arguments, labels)
            engine.build(Path(folder), _CONTAINERFILE, tag, options)

    return make(engine, Wanted(name, version, labels, program.check), base, build, say)


def stage(program: Program, context: Path) -> None:
    """The files of the image and no other."""
    shutil.copyfile(ROOT / program.lock, context / "requirements.txt")
    (context / "src").mkdir()
    for pattern in program.sources:
        for source in sorted(ROOT.glob(pattern)):
            path = source.relative_to(ROOT)
            if program.without is None or not path.is_relative_to(program.without):
                (context / "src" / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, context / "src" / path)
