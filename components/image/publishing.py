"""A model's image: the server's image with one layer, checked, named, signed and attested.

Needs no engine, no root and no daemon: the layer and its documents are written straight to a registry or a layout.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from components.digest import sha256
from components.errors import ModelImageError, SignatureError
from components.files import write_atomically
from components.image.contents import ROOT
from components.image.documents import ImageDocuments
from components.image.golden_check import check_answers
from components.image.image_name import ImageName
from components.image.image_signature import is_signed, sign_image
from components.image.package_layer import SOURCES, package_layer
from components.image.place import ImagePlace, read_documents, write_image
from components.image.repository import ImageRepository, open_repository
from components.image.server import (
    PACKAGE_LABEL,
    SERVER_IMAGE,
    SERVER_LABEL,
    SERVER_LOCK,
    server_digest,
    server_python,
    short,
)
from components.package.model_package import Package, read_package
from components.package.papers import materials_file
from components.package.signature import check_signature, signature_file
from components.signing.keys import SigningKey, public_text
from components.signing.sbom import bill_of_materials
from components.signing.signer import key_signer, sign_package, workflow_signer
from components.signing.workflow_identity import usable_key

_MANIFEST_DIGITS = 8


@dataclass(frozen=True)
class ServerBase:
    """The server's image, on which a model's image is layered: its name, where it is, and its documents."""

    name: str
    place: ImagePlace
    documents: ImageDocuments

    @property
    def server(self) -> str:
        """The digest of the server in it; empty if the image does not say."""
        return self.documents.labels.get(SERVER_LABEL, "")


@dataclass(frozen=True)
class ModelImage:
    """A model's image before it is written anywhere; `layer` is the one that the server's image lacks."""

    documents: ImageDocuments
    layer: bytes
    tag: str

    @cached_property
    def own(self) -> dict[str, bytes]:
        """Its blobs that the server's image lacks, by digest."""
        return {sha256(self.layer): self.layer, self.documents.id: self.documents.config}


@dataclass(frozen=True)
class ImageInRegistry:
    """An image in a registry: registry and name, tag, and digest of its manifest."""

    name: str
    tag: str
    digest: str


def read_base(reference: str) -> ServerBase:
    """The server's image in a registry, by its whole name.

    Raises:
        ImageRegistryError: it is not there, or the registry refuses.
    """
    name = ImageName.parse(reference)
    repository = open_repository(name)
    documents = read_documents(repository, name.reference, reference)
    return ServerBase(name.at(documents.manifest.digest), repository, documents)


def require_same_server(base: ServerBase, root: Path = ROOT) -> None:
    """Refuses a base that holds another server than the one below `root`, which answers the golden requests.

    Raises:
        ModelImageError: it does, or it is no image of a server.
    """
    wanted = server_digest(root)
    if base.server != wanted:
        has = f"the server {base.server}" if base.server else f"no label {SERVER_LABEL}, so no server that is known"
        raise ModelImageError(
            f"{base.name} has {has}, and {wanted} would answer the golden requests; `make platform-images "
            f"PARTS={SERVER_IMAGE}` builds the image of that one, and `make publish ENV=staging PART={SERVER_IMAGE}` "
            "publishes it"
        )


def model_image(package: Package, base: ServerBase) -> ModelImage:
    """The image of a package on a base; the same package, papers and base give the same bytes."""
    contract, version = package.contract, short(package.digest)
    about = {
        "title": contract.name,
        "description": contract.description or f"The model {contract.name}",
        "version": version,
        "revision": package.receipt.code,
        "licenses": "Apache-2.0",
        "base.name": base.name,
        "base.digest": base.documents.manifest.digest,
    }
    labels = {f"org.opencontainers.image.{key}": value for key, value in about.items()}
    layer = package_layer(package)
    documents = base.documents.with_layer(
        layer, {**labels, PACKAGE_LABEL: package.digest}, f"canario: package {package.digest}"
    )
    tag = f"{version}-{documents.manifest.digest.removeprefix('sha256:')[:_MANIFEST_DIGITS]}"
    return ModelImage(documents, layer, tag)


def publish_model_image(
    package_folder: Path,
    base: str,
    name: str,
    *,
    key: str | Path | None = None,
    base_signer: str = "",
    root: Path = ROOT,
    say: Callable[[str], None] = print,
) -> ImageInRegistry:
    """Brings a package as a signed image to a registry: check, layer, push, signature, attestation, in this order.

    A second call pushes nothing and returns the same digest. With a key that also holds where the package's signature
    was lost: it is taken back from the registry. A keyless signature must lie beside the package for that.

    Args:
        package_folder: the package; its signature and bill of materials are written beside it.
        base: the server's image in a registry, by its whole name.
        name: registry and name of the image to write, without a tag.
        key: the file or the address in a KMS of what signs package and image; by default the workflow's identity does.
        base_signer: public key in PEM that must have signed the base; by default its signature is not looked at.
        root: folder of the server's sources, whose golden answers are checked.
        say: gets a line for each thing that was done.

    Raises:
        PackageError: the package was changed.
        ModelImageError: the base holds another server or is not signed as wanted, or a golden answer is wrong.
        ImageRegistryError: a registry is away, wants a login, or lacks the base.
        SigningError: the key is unusable, or there is no identity to sign with.
    """
    package, target = read_package(package_folder), ImageName.parse(name)
    pair = usable_key(key or None)
    server = read_base(base)
    require_same_server(server, root)
    if base_signer and not is_signed(ImageName.parse(server.name), base_signer):
        raise ModelImageError(
            f"{server.name} is not signed by the key that is wanted; `make publish ENV=staging PART={SERVER_IMAGE}` "
            "signs it with the key of that environment"
        )
    say(check_answers(package.path, server_python(root), root))
    repository = open_repository(target)
    _sign(package, server, repository, pair)
    write_atomically(materials_file(package.path), bill_of_materials(package, root / SERVER_LOCK))
    image = model_image(package, server)
    sent = push_model_image(image, server, repository, target)
    say(f"{sent} blobs were sent to {target.bare}:{image.tag}")
    digest = image.documents.manifest.digest
    sign_image(replace(target, tag="", digest=digest), key, materials_file(package.path).read_bytes())
    say(f"{target.at(digest)} is signed, and its bill of materials attested")
    return ImageInRegistry(target.bare, image.tag, digest)


def push_model_image(image: ModelImage, base: ServerBase, target: ImagePlace, name: ImageName) -> int:
    """Writes a model's image to a registry; returns how many blobs had to be sent."""
    beside = ""
    if isinstance(base.place, ImageRepository) and base.place.session.registry == name.registry:
        beside = base.place.repository
    return write_image(image.documents, image.own, base.place, target, image.tag, beside=beside)


def _sign(package: Package, base: ServerBase, repository: ImageRepository, key: SigningKey | None) -> None:
    """Signs a package that has no good signature beside it; one in the registry is taken first."""
    if key is None:
        if not signature_file(package.path).is_file():
            sign_package(package, workflow_signer())
        return
    public = public_text(key)
    if not _is_good(package, public) and not _taken_back(package, base, repository, public):
        sign_package(package, key_signer(key))


def _is_good(package: Package, public: str) -> bool:
    try:
        check_signature(package, public)
    except SignatureError:
        return False
    return True


def _taken_back(package: Package, base: ServerBase, repository: ImageRepository, public: str) -> bool:
    """Writes the package's signature from an image of it on this base, if the registry has one by this key."""
    for tag in repository.tags(f"{short(package.digest)}-"):
        documents = read_documents(repository, tag, f"{repository.name}:{tag}")
        if documents.layers[:-1] != base.documents.layers:
            continue
        found = _signature_in(repository.read_blob(documents.layers[-1]["digest"]))
        if found is None:
            continue
        write_atomically(signature_file(package.path), found)
        if _is_good(package, public):
            return True
    signature_file(package.path).unlink(missing_ok=True)
    return False


def _signature_in(layer: bytes) -> str | None:
    name = f"{SOURCES}/{signature_file(Path('package'))}"
    try:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            member = archive.extractfile(name)
            return member.read().decode() if member else None
    except (tarfile.TarError, KeyError, UnicodeDecodeError):
        return None
