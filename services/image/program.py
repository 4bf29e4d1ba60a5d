"""Images of the platform's programs, such as the judge, the pipeline's steps, MLflow and stand-ins for cloud stores."""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.code import IMAGE_LOCKS, LOCK_FILE
from components.image.contents import ROOT, ImageSources
from components.image.record import BuiltImage
from components.image.server import SERVER_LOCK, SERVER_SOURCES
from components.image.step_images import steps_tag
from services.image.engine import Engine
from services.image.errors import ImageError
from services.image.recipe import NOWHERE, ImagePlan, make

_HERE: Final = Path(__file__).parent
_CONTAINERFILE: Final = _HERE / "program.Containerfile"
_IMPORTS: Final = ("python", "-c", (_HERE / "imports.py").read_text(encoding="utf-8"))
_GO_LOCK: Final = "services/image/locks/go.txt"
#: The steps' own sources are imported, and the server's environment is compared with its lock.
_STEPS_CHECK: Final = (
    'python -c "$0" services; /app/.venv/server/bin/python -m services.model_server.check --image; '
    'cosign version; python -c "from components.image.server import server_digest; print(server_digest())"'
)


@dataclass(frozen=True)
class PlatformProgram:
    """The contents of an image: the packages of a lock file, our sources, and Debian's `packages`.

    `unbuilt` names packages of the lock file that come only as sources; all others are wheels. `server_lock` is the
    lock of the model server, where the program starts it in a process of its own, from `.venv/server`. `tools` are
    programs of `.ci/tools`, built from Go's modules.
    `check` is a command that must succeed in a container of the image; by default it imports every source.
    """

    title: str
    lock: str
    sources: ImageSources
    packages: tuple[str, ...]
    unbuilt: tuple[str, ...] = ()
    server_lock: str = ""
    tools: tuple[str, ...] = ()
    check: tuple[str, ...] = _IMPORTS

    @property
    def is_of_steps(self) -> bool:
        """Whether it runs steps of the pipeline."""
        return self.lock.startswith(IMAGE_LOCKS)


#: Debian's packages of a step; LightGBM's wheel leaves OpenMP's library to the system.
_STEP_PACKAGES: Final = ("ca-certificates", "git", "libgomp1")
#: The same in each image of the steps, which therefore have one digest of the code.
_STEP_SOURCES: Final = ("components/**/*.py", f"{IMAGE_LOCKS}/*.txt", LOCK_FILE)


#: The program that renders a release's objects, which the pipeline's last step starts.
_RENDERING: Final = (
    *("k8s/__init__.py", "k8s/errors.py", "k8s/rendering/*.py"),
    *(f"k8s/cluster/{name}.py" for name in ("__init__", "helm", "program")),
)


def _trains_on(devices: str, lock: str) -> PlatformProgram:
    """The image of the steps tune and train for one kind of device; it needs neither the server nor a signature."""
    return PlatformProgram(
        title=f"the steps of canario's pipeline that compute on {devices}",
        lock=f"{IMAGE_LOCKS}/{lock}.txt",
        sources=ImageSources(patterns=_STEP_SOURCES),
        packages=_STEP_PACKAGES,
        unbuilt=("kfp-server-api",),
    )


PROGRAMS: Final = {
    "judge": PlatformProgram(
        title="canario's judge",
        lock="services/judge/requirements.txt",
        sources=ImageSources(
            rooms=("git", "releases", "spec", "spec/reading"),
            patterns=("services/__init__.py", "services/telemetry.py", "services/judge/**/*.py"),
            without=("services/judge/simulate", "services/judge/plan"),
        ),
        packages=("ca-certificates", "git"),
    ),
    "components": PlatformProgram(
        title="the steps of canario's pipeline",
        lock=f"{IMAGE_LOCKS}/cpu.txt",
        sources=ImageSources(patterns=(*_STEP_SOURCES, *SERVER_SOURCES.patterns, *_RENDERING)),
        packages=_STEP_PACKAGES,
        unbuilt=("kfp-server-api",),
        server_lock=SERVER_LOCK,
        tools=("cosign", "helm"),
        check=("bash", "-ec", _STEPS_CHECK, _IMPORTS[2]),
    ),
    "components-cuda": _trains_on("NVIDIA's GPUs", "cuda"),
    "components-tpu": _trains_on("TPUs", "tpu"),
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
            # Callers read answers, and need none of what opens a package.
            patterns=(
                *("components/package/__init__.py", "components/package/answers.py"),
                *("services/__init__.py", "services/telemetry.py", "tests/load/*.py"),
            ),
        ),
        packages=("ca-certificates",),
    ),
}


def tool_module(name: str) -> str:
    """The Go module of a tool with its version, from `.ci/tools`, which installs it on laptops and in workflows."""
    found = re.search(rf"^  \[{name}\]=(\S+)$", (ROOT / ".ci" / "tools").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ImageError(f"{name} is no tool of .ci/tools, so no image can have it")
    return found[1]


def program_image(
    program: PlatformProgram, name: str, base: str, engine: Engine, say: Callable[[str], None]
) -> BuiltImage:
    """Builds the image `name`, tagged by the project's version, and in a registry also by the image's content.

    Images of the steps are tagged by the digest of what is in them, which a compiled pipeline knows beforehand.

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
                "TOOLS": " ".join(map(tool_module, program.tools)),
            }
            options = engine.build_options(arguments, labels)
            engine.build(Path(folder), _CONTAINERFILE, tag, options)

    return make(engine, program_plan(program, name, version, labels), base, build, say)


def program_plan(program: PlatformProgram, name: str, version: str, labels: Mapping[str, str]) -> ImagePlan:
    """What a program's image is to be."""
    if program.is_of_steps:
        return ImagePlan(name, steps_tag(), labels, program.check)
    # An image that goes to no registry keeps the tag that the chart names by default.
    return ImagePlan(name, version, labels, program.check, by_content=not name.startswith(NOWHERE))


def stage(program: PlatformProgram, context: Path) -> None:
    """Copies the image's files, and no others, into the build context."""
    locks = {"": program.lock, "-server": program.server_lock, "-go": _GO_LOCK if program.tools else ""}
    for kind, lock in locks.items():
        if lock:
            shutil.copyfile(ROOT / lock, context / f"requirements{kind}.txt")
    (context / "src").mkdir()
    for path in program.sources.files():
        (context / "src" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, context / "src" / path)
