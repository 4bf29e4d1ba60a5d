"""Builds a container image: `python -m services.image --spec services/churn/service.yaml`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.errors import ComponentError
from components.image.contents import ROOT
from components.image.record import BuiltImage, write_record
from components.image.server import SERVER_IMAGE
from components.package.model_package import read_package
from components.spec.reading.loading import load_spec
from services.image.engine import Engine, find_engine
from services.image.errors import ImageError
from services.image.model import ImageWork, write_model_image
from services.image.newest_package import newest_package
from services.image.program import PROGRAMS, program_image
from services.image.recipe import BASE_VARIABLE, base_image, fetch_base
from services.image.server import server_image
from services.model_server.errors import ServerError


def main(arguments: list[str] | None = None) -> int:
    """Builds, checks and names one image; the exit status is 1 when that fails."""
    args = _parser().parse_args(arguments)
    try:
        image = _make(args)
        record = write_record(args.out / "images", image)
    except (ComponentError, ImageError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    _say(f"{image.name}:{image.tag} is good ({image.digest}); {record} says so")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.image", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--spec", type=Path, help="the model's service.yaml")
    parts = sorted([*PROGRAMS, SERVER_IMAGE])
    what.add_argument("--component", choices=parts, help="a program of the platform instead of a model")
    parser.add_argument("--package", type=Path, help="folder of a package; by default the newest of `make train`")
    parser.add_argument("--base", help=f"image to start from; by default {BASE_VARIABLE}, or the pinned one")
    parser.add_argument("--name", help="the image's name without a tag; by default registry.local/canario/<what>")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder for bentos, logs and records")
    return parser


def _make(args: argparse.Namespace) -> BuiltImage:
    spec = load_spec(args.spec) if args.spec else None
    what = spec.name if spec else args.component
    name = args.name or f"registry.local/canario/{what}"
    base = base_image(args.base)
    if spec is None:
        return _make_program(what, name, base, args.out)
    package = read_package(args.package or newest_package(args.out / "train" / spec.name))
    if package.contract.name != spec.name:
        raise ImageError(f"{package.path}: is a package of {package.contract.name}, not of {spec.name}")
    return write_model_image(package, ImageWork(name, base, args.out, _say))


def _make_program(what: str, name: str, base: str, out: Path) -> BuiltImage:
    engine = _engine(out / "images" / f"{what}.log")
    fetch_base(engine, base)
    if what == SERVER_IMAGE:
        return server_image(name, base, engine, out / "images" / "bento", _say)
    return program_image(PROGRAMS[what], name, base, engine, _say)


def _engine(log: Path) -> Engine:
    log.unlink(missing_ok=True)
    engine = find_engine(log)
    _say(f"{engine.name} builds; {log} has all that it says")
    return engine


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
