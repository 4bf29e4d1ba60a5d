"""Builds a bento from a model package: `python -m services.model_server.build PACKAGE OUT`.

It also gives the command and environment that serve the bento.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from components.errors import PackageError
from components.image.contents import ROOT, read_all
from components.image.server import SERVER_LOCK, SERVER_SOURCES, server_digest, short
from components.package.model_package import Package, read_package
from components.package.papers import papers
from services.model_server.errors import ServerError
from services.model_server.settings import BUILDING_VARIABLE

#: The lock file, with hashes, of a bento's environment.
LOCK_FILE: Final = ROOT / SERVER_LOCK
#: The Containerfile's name in a bento.
_RECIPE: Final = "Containerfile"


class BuildError(ServerError):
    """`bentoml build` failed."""


def build_bento(package_dir: Path, out_dir: Path) -> Path:
    """Builds the bento of a package in `out_dir/bentos/<model>/<version>`, unless it exists, and returns its path.

    Needs neither network nor a store outside `out_dir`. It is served from its folder; an image is made of the server's
    bento.

    Raises:
        PackageError: the package is broken.
        BuildError: BentoML failed; its output is in the message.
    """
    package = read_package(package_dir)
    beside = papers(package.path)
    contents = _Contents(
        name=package.contract.name,
        version=_version(package, beside),
        description=f"{package.contract.name}: {package.contract.description}".strip(": "),
        labels={"package": package.digest},
        package=package.path,
        papers=beside,
    )
    return _build(contents, out_dir)


def build_server_bento(out_dir: Path, containerfile: Path) -> Path:
    """Builds the bento of the server without a package, which `bentoml containerize` makes an image of.

    Raises:
        BuildError: BentoML failed; its output is in the message.
    """
    digest = server_digest()
    contents = _Contents(
        name="server",
        version=short(digest),
        description="canario's model server, without a model",
        labels={"server": digest},
        recipe=containerfile.read_bytes(),
    )
    return _build(contents, out_dir)


@dataclass(frozen=True)
class _Contents:
    """What a bento is made of, beside the server's sources."""

    name: str
    version: str
    description: str
    labels: Mapping[str, str]
    package: Path | None = None
    papers: Mapping[str, bytes] = field(default_factory=dict)
    recipe: bytes = b""


def _build(contents: _Contents, out_dir: Path) -> Path:
    out_dir = out_dir.resolve()
    bento = out_dir / "bentos" / contents.name / contents.version
    if bento.is_dir():
        return bento
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=out_dir) as scratch:
        context, home = Path(scratch, "context"), Path(scratch, "home")
        home.mkdir()
        _stage(contents, context)
        _bentoml_build(context, home, contents.name, contents.version)
        bento.parent.mkdir(parents=True, exist_ok=True)
        try:
            (home / "bentos" / contents.name / contents.version).rename(bento)
        except OSError:
            # Another build of the same contents was quicker.
            if not bento.is_dir():
                raise
    return bento


def _version(package: Package, beside: Mapping[str, bytes]) -> str:
    """The bento's version: digests of the package, and of its papers together with the serving program."""
    program = hashlib.sha256(b"".join([read_all(SERVER_SOURCES.files()), *beside.values()]))
    return f"{package.digest.removeprefix('sha256:')[:16]}-{program.hexdigest()[:8]}"


def _stage(contents: _Contents, context: Path) -> None:
    """Copies the bento's files, and no others, into the build context."""
    for source in SERVER_SOURCES.files():
        (context / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, context / source)
    included = ["components/", "services/", *contents.papers]
    if contents.package:
        shutil.copytree(contents.package, context / "package")
        included.append("package/")
    for name, content in contents.papers.items():
        (context / name).write_bytes(content)
    bentofile: dict[str, object] = {
        "service": "services.model_server.service:ModelServer",
        "labels": dict(contents.labels),
        "description": contents.description,
        "include": included,
        # Already locked with hashes, so BentoML need not resolve anything. They are passed as
        # lines, because BentoML refuses a file below a folder whose name starts with a dot.
        "python": {"packages": LOCK_FILE.read_text().splitlines(), "lock_packages": False},
    }
    if contents.recipe:
        (context / _RECIPE).write_bytes(contents.recipe)
        bentofile["docker"] = {"base_image": "named by BASE", "dockerfile_template": _RECIPE}
    # JSON is YAML.
    (context / "bentofile.yaml").write_text(json.dumps(bentofile, indent=2), encoding="utf-8")


def _bentoml_build(context: Path, home: Path, name: str, version: str) -> None:
    bentofile = str(context / "bentofile.yaml")
    command = [sys.executable, "-m", "bentoml", "build", "-f", bentofile, "--name", name, "--version", version]
    environment = {**bentoml_environment(home), BUILDING_VARIABLE: "true"}
    done = subprocess.run(command, cwd=context, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"bentoml build failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")


def bentoml_environment(home: Path) -> dict[str, str]:
    """The environment that BentoML needs: a home of its own, no usage statistics, uv on the path."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CANARIO_", "BENTOML_", "PYTHON"))
    }
    return {
        **kept,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath))),
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONUNBUFFERED": "1",
    }


def serve_command(bento: Path, port: int, *, server_python: Path, host: str = "127.0.0.1") -> list[str]:
    """The command that serves a bento; `server_python` is the interpreter of the locked server environment."""
    return [str(server_python), "-m", "bentoml", "serve", str(bento.resolve()), "--port", str(port), "--host", host]


def serve_environment(home: Path, settings: dict[str, str], workers: int = 1) -> dict[str, str]:
    """The environment for `serve_command`: `settings` are CANARIO_ variables, `home` is a writable folder."""
    return {**bentoml_environment(home), "CANARIO_WORKERS": str(workers), **settings}


def main() -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="folder of the model package")
    parser.add_argument("out", type=Path, help="folder for the bento")
    arguments = parser.parse_args()
    try:
        print(build_bento(arguments.package, arguments.out))
    except (PackageError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
