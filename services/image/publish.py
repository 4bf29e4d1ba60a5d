"""Publishes an image that `make image` made: `python -m services.image.publish --record build/images/churn.json`.

The image is pushed to the registry in its name, unless it is there, and signed there by digest; the package's bill of
materials is attested. Only then does the record name the digest, so no release can name an unsigned image. The first
signer of the environment (`k8s/envs/<env>/signers.yaml`) signs; --key names the file of a key that is in no KMS.
No tag is moved, and a call that was broken off can be repeated.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.errors import ComponentError, ImageRecordError
from components.files import write_atomically
from components.image.contents import ROOT
from components.image.image_name import ImageName
from components.image.image_signature import is_signed, sign_image
from components.image.layout_folder import LayoutFolder
from components.image.place import read_documents, write_image
from components.image.record import BuiltImage, read_record, write_record
from components.image.repository import ImageRepository, open_repository
from components.image.server import SERVER_IMAGE
from components.package.papers import materials_file
from components.signing.keys import open_key, public_text
from components.signing.signer_options import add_signer_options, chosen_key
from components.signing.workflow_identity import workflow_token
from services.image.engine import find_engine
from services.image.errors import EngineError, ImageError
from services.image.recipe import NOWHERE


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when any part of publishing failed."""
    args = _parser().parse_args(arguments)
    try:
        reference = publish(args.record, args.out, chosen_key(args))
    except (ComponentError, ImageError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{reference} is published and signed; {args.record} names its digest")
    return 0


def publish(record: Path, out: Path, key: str | Path | None) -> str:
    """Pushes and signs the image of a record and adds its line to `<out>/published/checksums.txt`.

    Returns:
        The image's name with its digest.

    Raises:
        ImageError: the image, a registry in its name or its bill of materials is missing, or the engine failed.
        ComponentError: the registry refuses, or nothing can be signed.
    """
    built = _built(record)
    if built.name.startswith(NOWHERE):
        raise ImageError(f"{built.name} names no registry; `make image REGISTRY=host/folder` makes one to publish")
    materials = _materials(out, built.package).read_bytes() if built.package else None
    if key is None:
        workflow_token()  # Who cannot sign pushes nothing.
    digest = _push(built, record, out, key)
    reference = f"{built.name}@{digest}"
    sign_image(ImageName.parse(reference), key, materials)
    _note(out / "published" / "checksums.txt", digest, built.name)
    write_record(record.parent, built.model_copy(update={"published": digest}))
    return reference


def _push(built: BuiltImage, record: Path, out: Path, key: str | Path | None) -> str:
    """Brings the image to its registry: from its layout if it has one, else from an engine's store; its digest."""
    name = ImageName.parse(f"{built.name}:{built.tag}")
    repository = open_repository(name)
    if built.package and built.digest and repository.manifest(built.digest):
        return built.digest  # `make image` wrote it there.
    layout = LayoutFolder(record.with_suffix(""))
    if built.package and built.digest and layout.has_blob(built.digest):
        image = read_documents(layout, built.digest, str(layout.folder))
        own = {image.id: image.config}
        beside = f"{name.repository.rpartition('/')[0]}/{SERVER_IMAGE}".strip("/")
        write_image(image, own, layout, repository, built.tag, beside=beside)
        return built.digest
    there = _digest_there(built, repository, key)
    return there or _push_from_engine(built, layout.folder, out / "images" / "publish.log")


def _digest_there(built: BuiltImage, repository: ImageRepository, key: str | Path | None) -> str:
    """The digest that the image's tag has in the registry; empty if there is no such tag.

    The same sources may have been built elsewhere to other bytes. These are taken only if `key` signed them, because
    whoever signs an image vouches for it.

    Raises:
        ImageError: the tag names another image, and the key has not signed it.
    """
    if not built.id or not repository.digest_of(built.tag):
        return ""
    image = read_documents(repository, built.tag, f"{built.name}:{built.tag}")
    digest = image.manifest.digest
    # With containerd's store, docker names an image by its manifest.
    if built.id in (image.id, digest):
        return digest
    if key and is_signed(ImageName.parse(f"{built.name}@{digest}"), public_text(open_key(key))):
        return digest
    raise ImageError(
        f"{built.name}:{built.tag} is in its registry as {digest}, with other bytes than the image that was built here "
        "and no signature by this key; a tag never moves here. Publish it where it was built, or delete that tag"
    )


def _push_from_engine(built: BuiltImage, layout: Path, log: Path) -> str:
    """Pushes from an engine's store: a program's image, or a model's that an engine has built.

    Raises:
        EngineError: there is no engine, it lacks the image, or the registry does not take it.
    """
    image = f"{built.name}:{built.tag}"
    try:
        return find_engine(log).push(image)
    except EngineError as error:
        if built.package is None:
            raise
        raise EngineError(
            f"{image} is neither in its registry nor in {layout}, so it has to come from an engine's store: {error}. "
            "`make image VERSION=n` writes the version's image again"
        ) from error


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
    add_signer_options(parser)
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder of packages and records")
    return parser


if __name__ == "__main__":
    sys.exit(main())
