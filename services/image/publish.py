"""Publishes an image that `make image` made: `python -m services.image.publish --record build/images/churn.json`.

The image is pushed to the registry in its name and signed there by digest, and the package's bill of materials is
attested. Only then does the record name the digest, so no release can name an unsigned image. Without --key the
signature is keyless, with the identity of the running workflow. cosign must be on the PATH.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from components.errors import ComponentError, ImageRecordError
from components.files import write_atomically
from components.image.contents import ROOT
from components.image.record import BuiltImage, read_record, write_record
from services.image.engine import find_engine
from services.image.errors import ImageError
from services.model_server.build import materials_file

_SECONDS: Final = 300
#: The prefix of image names that are not meant for a registry.
_NOWHERE: Final = "registry.local/"


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when any part of publishing failed."""
    args = _parser().parse_args(arguments)
    try:
        reference = publish(args.record, args.out, args.key)
    except (ComponentError, ImageError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{reference} is published and signed; {args.record} names its digest")
    return 0


def publish(record: Path, out: Path, key: Path | None) -> str:
    """Pushes and signs the image of a record and adds its line to `<out>/published/checksums.txt`.

    Returns:
        The image's name with its digest.

    Raises:
        ImageError: the image, a registry in its name or its bill of materials is missing, or a command failed.
    """
    built = _built(record)
    if built.name.startswith(_NOWHERE):
        raise ImageError(f"{built.name} names no registry; `make image REGISTRY=host/folder` makes one to publish")
    materials = _materials(out, built.package) if built.package else None
    engine = find_engine(out / "images" / "publish.log")
    digest = engine.push(f"{built.name}:{built.tag}")
    reference = f"{built.name}@{digest}"
    how = ["--yes", *(["--key", str(key), "--tlog-upload=false"] if key else [])]
    _cosign("sign", *how, reference)
    if materials:
        _cosign("attest", *how, "--type", "cyclonedx", "--predicate", str(materials), reference)
    _note(out / "published" / "checksums.txt", digest, built.name)
    write_record(record.parent, built.model_copy(update={"published": digest}))
    return reference


def _built(record: Path) -> BuiltImage:
    try:
        return read_record(record)
    except ImageRecordError as error:
        raise ImageError(f"{error}; `make image` writes it") from error


def _materials(out: Path, package: str) -> Path:
    path = materials_file(out / "store" / "packages" / package.removeprefix("sha256:"))
    if not path.is_file():
        raise ImageError(f"{path} is not there; `make sign` writes the bill of materials, before `make image`")
    return path


def _cosign(*arguments: str) -> None:
    try:
        done = subprocess.run(["cosign", *arguments], capture_output=True, text=True, check=False, timeout=_SECONDS)
    except FileNotFoundError as error:
        raise ImageError("cosign is not on the PATH; `make tools TOOLS=cosign` puts it into build/tools") from error
    except subprocess.TimeoutExpired as error:
        raise ImageError(f"cosign {arguments[0]} had no end within {_SECONDS} s") from error
    if done.returncode:
        raise ImageError(f"cosign {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")


def _note(path: Path, digest: str, name: str) -> None:
    """Writes a line in sha256sum's format, replacing the older line of the same name."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kept = [line for line in lines if line.partition("  ")[2] != name]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "\n".join([*kept, f"{digest.removeprefix('sha256:')}  {name}"]) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.image.publish",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--record", type=Path, required=True, help="the record that `make image` wrote of the image")
    parser.add_argument("--key", type=Path, help="cosign private key; by default the signature is keyless")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder of packages and records")
    return parser


if __name__ == "__main__":
    sys.exit(main())
