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
from pathlib import Path
from typing import Final

from components.errors import PackageError
from components.image.contents import ROOT, ImageSources, read_all
from components.package.model_package import Package, read_package
from components.package.signature import signature_file
from services.model_server.errors import ServerError

_REQUIREMENTS: Final = "services/model_server/requirements.txt"
#: The lock file, with hashes, of a bento's environment.
LOCK_FILE: Final = ROOT / _REQUIREMENTS
#: The Containerfile's name in a bento.
_RECIPE: Final = "Containerfile"
#: The sources that serving needs; the bento holds no others.
_SOURCES: Final = ImageSources(
    rooms=("features", "package", "spec"),
    patterns=("services/__init__.py", "services/telemetry.py", "services/model_server/**/*.py", _REQUIREMENTS),
)


class BuildError(ServerError):
    """`bentoml build` failed."""


def build_bento(package_dir: Path, out_dir: Path, containerfile: Path | None = None) -> Path:
    """Builds the bento of a package in `out_dir/bentos/<model>/<version>`, unless it exists, and returns its path.

    Needs neither network nor a store outside `out_dir`. `bentoml containerize` will build the image from
    `containerfile`; a bento without one is served from its folder.

    Raises:
        PackageError: the package is broken.
        BuildError: BentoML failed; its output is in the message.
    """
    package = read_package(package_dir)
    recipe = containerfile.read_bytes() if containerfile else b""
    papers = _papers(package)
    name, version = package.contract.name, _version(package, recipe, papers)
    out_dir = out_dir.resolve()
    bento = out_dir / "bentos" / name / version
    if bento.is_dir():
        return bento
    out_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=out_dir) as scratch:
        context, home = Path(scratch, "context"), Path(scratch, "home")
        home.mkdir()
        _stage(package, context, recipe, papers)
        _bentoml_build(context, home, name, version)
        bento.parent.mkdir(parents=True, exist_ok=True)
        try:
            (home / "bentos" / name / version).rename(bento)
        except OSError:
            # Another build of the same package was quicker.
            if not bento.is_dir():
                raise
    return bento


def materials_file(package: Path) -> Path:
    """The path of the bill of materials of a package's image: beside the package, like the signature."""
    return package.with_name(f"{package.name}.cdx.json")


def _papers(package: Package) -> dict[str, bytes]:
    """The files beside a package (signature, bill of materials), by their names in a bento."""
    beside = (signature_file, materials_file)
    baked_in = Path("package")
    return {str(at(baked_in)): at(package.path).read_bytes() for at in beside if at(package.path).is_file()}


def _version(package: Package, recipe: bytes, papers: Mapping[str, bytes]) -> str:
    """The bento's version: digests of the package, and of its papers together with the serving program."""
    program = hashlib.sha256(b"".join([read_all(_SOURCES.files()), recipe, *papers.values()]))
    return f"{package.digest.removeprefix('sha256:')[:16]}-{program.hexdigest()[:8]}"


def _stage(package: Package, context: Path, recipe: bytes, papers: Mapping[str, bytes]) -> None:
    """Copies the bento's files, and no others, into the build context."""
    for source in _SOURCES.files():
        (context / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, context / source)
    shutil.copytree(package.path, context / "package")
    for name, content in papers.items():
        (context / name).write_bytes(content)
    bentofile: dict[str, object] = {
        "service": "services.model_server.service:ModelServer",
        "labels": {"package": package.digest},
        "description": f"{package.contract.name}: {package.contract.description}".strip(": "),
        "include": ["components/", "services/", "package/", *papers],
        # Already locked with hashes, so BentoML need not resolve anything. They are passed as
        # lines, because BentoML refuses a file below a folder whose name starts with a dot.
        "python": {"packages": LOCK_FILE.read_text().splitlines(), "lock_packages": False},
    }
    if recipe:
        (context / _RECIPE).write_bytes(recipe)
        bentofile["docker"] = {"base_image": "named by BASE", "dockerfile_template": _RECIPE}
    # JSON is YAML.
    (context / "bentofile.yaml").write_text(json.dumps(bentofile, indent=2), encoding="utf-8")


def _bentoml_build(context: Path, home: Path, name: str, version: str) -> None:
    bentofile = str(context / "bentofile.yaml")
    command = [sys.executable, "-m", "bentoml", "build", "-f", bentofile, "--name", name, "--version", version]
    done = subprocess.run(
        command, cwd=context, env=bentoml_environment(home), capture_output=True, text=True, check=False
    )
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
