"""Builds a container image: `python -m services.image --spec services/churn/service.yaml`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.errors import ComponentError
from components.image.contents import ROOT
from components.image.record import BuiltImage, write_record
from components.package.model_package import read_package
from components.spec.reading.loading import load_spec
from services.image.engine import Engine, find_engine
from services.image.errors import ImageError
from services.image.model import model_image
from services.image.newest_package import newest_package
from services.image.program import PROGRAMS, program_image
from services.image.recipe import BASE_VARIABLE, base_image, fetch_base
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
    what.add_argument("--component", choices=sorted(PROGRAMS), help="a program of the platform instead of a model")
    parser.add_argument("--package", type=Path, help="folder of a package; by default the newest of `make train`")
    parser.add_argument("--base", help=f"image to start from; by default {BASE_VARIABLE}, or the pinned one")
    parser.add_argument("--name", help="the image's name without a tag; by default registry.local/canario/<what>")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder for bentos, logs and records")
    return parser


def _make(args: argparse.Namespace) -> BuiltImage:
    spec = load_spec(args.spec) if args.spec else None
    what = spec.name if spec else args.component
    name = args.name or f"registry.local/canario/{what}"
    engine = _engine(args.out / "images" / f"{what}.log")
    base = base_image(args.base)
    if spec is None:
        fetch_base(engine, base)
        return program_image(PROGRAMS[what], name, base, engine, _say)
    package = read_package(args.package or newest_package(args.out / "train" / spec.name))
    if package.contract.name != spec.name:
        raise ImageError(f"{package.path}: is a package of {package.contract.name}, not of {spec.name}")
    fetch_base(engine, base)
    return model_image(package, name, base, engine, args.out / "images" / "bento", _say)


def _engine(log: Path) -> Engine:
    log.unlink(missing_ok=True)
    engine = find_engine(log)
    _say(f"{engine.name} builds; {log} has all that it says")
    return engine


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
