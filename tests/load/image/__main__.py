"""The benchmark of images: a model's image as a layer, beside a whole one that an engine builds, interleaved.

    python -m tests.load.image                           three rounds of two small models
    python -m tests.load.image --packages FOLDER FOLDER  two packages of yours

The server's image is made first, by an engine unless `make image` left its layout, and brought to a registry on this
machine. Exits 1 when an image takes longer than 5 s, or when two models share fewer layers than all but one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from components.errors import ComponentError
from components.image.contents import ROOT
from components.package.model_package import Package, read_package
from services.image.engine import find_engine
from services.image.errors import EngineError, ImageError
from services.image.model import ImageWork, base_here
from services.image.recipe import base_image
from tests.load.image import report
from tests.load.image.ways import EngineWay, LayerWay
from tests.registry import registry
from tests.signing_keys import write_keys
from tests.small_package import golden_rows, small_contract, write_small_package

_ROUNDS: Final = 3


def main(arguments: list[str] | None = None) -> int:
    """Measures both ways and prints them; the exit status is 1 when a limit does not hold."""
    args = _parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="canario-bench-") as folder:
            missing = _bench(args, Path(folder))
    except (ComponentError, ImageError) as error:
        print(error, file=sys.stderr)
        return 1
    for line in missing:
        print(f"missing: {line}", file=sys.stderr)
    return 1 if missing else 0


def _bench(args: argparse.Namespace, scratch: Path) -> list[str]:
    base = base_here(ImageWork("registry.local/canario/bench", base_image(None), ROOT / "build", print))
    first, second = _packages(args.packages, scratch)
    old = _engine_way(scratch)
    with registry() as there:
        way = LayerWay(there.address, write_keys(scratch / "keys").private)
        way.bring(base)
        rounds = []
        for number in range(args.rounds):
            seconds, image = way.make(first, f"first-{number}")
            rounds.append(report.Round(seconds, old.make(first) if old else None))
        layers = (way.layers(image), way.layers(way.make(second, "second")[1]))
    print(report.table(rounds))
    print(f"a model's image takes {report.median_seconds(rounds):.1f} s, with its check and its signatures")
    if ratio := report.median_ratio(rounds):
        print(f"an engine takes {ratio:.1f} times as long, without a push and without signatures")
    print(f"two models' images share {len(set(layers[0]) & set(layers[1]))} of {len(layers[0])} layers")
    return report.shortfalls(rounds, layers)


def _packages(given: list[Path] | None, scratch: Path) -> tuple[Package, Package]:
    if given:
        for number, folder in enumerate(given):  # what is written beside a package is not to lie beside yours
            shutil.copytree(folder, scratch / str(number) / "package")
        return read_package(scratch / "0" / "package"), read_package(scratch / "1" / "package")
    contract = small_contract()
    other = write_small_package(scratch / "1" / "package", contract, golden=golden_rows(contract)[:3])
    return write_small_package(scratch / "0" / "package"), other


def _engine_way(scratch: Path) -> EngineWay | None:
    try:
        engine = find_engine(scratch / "engine.log")
    except EngineError as error:
        print(f"the old way is not measured: {error}")
        return None
    return EngineWay(engine, base_image(None), scratch / "bento")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.load.image", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packages", type=Path, nargs=2, help="folders of two packages; by default two small ones")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="images of each way (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
