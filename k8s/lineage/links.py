"""Checks each link of the chain by itself: the thing that it names exists, and its bytes match."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.code import LOCK_FILE
from components.digest import sha256
from components.errors import GitError, ImageRecordError, ImageRegistryError, LayoutError, PackageError, StoreError
from components.git.command import git
from components.image.record import BuiltImage, read_record
from components.package.model_package import Package, read_package
from components.package.signature import check_signature, signature_file
from components.registry.lock_files import committed_lock
from components.registry.model_registry import RUN_TAG, SNAPSHOT_TAG, connect, is_empty
from components.registry.provenance import CHANGED, why_no_commit
from components.spec.contract import PACKAGE_TAG as REGISTERED
from components.store.content import Kind, Store
from k8s.errors import DeployError, EnvironmentFileError
from k8s.lineage.errors import Broken, NotChecked, same
from k8s.lineage.image import ImageBytes, check_materials, check_package, read_image
from k8s.lineage.live import Object, check_rendered, check_running
from k8s.rendering.environment_files import ClusterRelease, read_release
from services.image.errors import ImageError


@dataclass(frozen=True)
class Link:
    """The result for one link; without a `fault` the link is ok, and where it was not `checked`, the fault says why."""

    name: str
    says: str
    fault: str = ""
    checked: bool = True


@dataclass(frozen=True)
class LinkSources:
    """The places of the records.

    Attributes:
        package: folder of the package.
        release: the environment's release file of the service.
        image: the record that `make image` writes.
        code: the Git repository that trained it.
        store: folder or URI of snapshots.
        mlflow: URI of the registry.
        served: digest that an answer's header named; None when no server was asked.
        public_key: PEM of the package signer; empty when it is not known.
        pulled: OCI layout of the image from its registry; if None, the record's image is exported.
        export: finds or writes an image as an OCI layout; returns its folder.
        running: returns the service's Deployments and Pods in its cluster.
        rendered: returns the objects that this tree's chart renders for the release.
    """

    package: Path
    release: Path
    image: Path
    code: Path
    store: str
    mlflow: str
    served: str | None
    public_key: str
    pulled: Path | None
    export: Callable[[BuiltImage], Path]
    running: Callable[[], Sequence[Object]]
    rendered: Callable[[], Sequence[Object]]


def verify(service: str, places: LinkSources) -> list[Link]:
    """Checks every link from the answer back to the data, in that order; a broken package ends the walk."""
    try:
        package = read_package(places.package)
    except PackageError as error:
        return [Link("package", str(places.package), str(error))]
    image = functools.cache(lambda: _image_bytes(places))
    checks: dict[str, Callable[[], str]] = {
        "answer": lambda: _answer(package, places),
        "live": lambda: _live(service, package, places),
        "chart": lambda: _chart(service, places),
        "deployment": lambda: _deployment(service, package, places),
        "image": lambda: _image(image(), package, places),
        "materials": lambda: check_materials(image(), package),
        "package": lambda: package.digest,
        "signature": lambda: _signature(package, places),
        "code": lambda: _code(package, places),
        "lock": lambda: _lock(package, places),
        "run": lambda: _run(package, places),
        "snapshot": lambda: _snapshot(package, places),
    }
    return [_link(name, check) for name, check in checks.items()]


def _link(name: str, check: Callable[[], str]) -> Link:
    try:
        return Link(name, check())
    except NotChecked as missing:
        return Link(name, "", str(missing), checked=False)
    except (Broken, PackageError, LayoutError) as broken:
        return Link(name, "", str(broken))


def _answer(package: Package, places: LinkSources) -> str:
    if places.served is None:
        raise NotChecked(
            "no server was asked; name it by URL=https://..., or the receipt of an answer by HEADER=sha256:..."
        )
    same("the answer's header", places.served, package.digest)
    return places.served


def _live(service: str, package: Package, places: LinkSources) -> str:
    release = _release(service, places)
    same(f"{places.release}: package", release.package, package.digest)
    return check_running(_running(places), release, _built(places.image).id, places.public_key)


def _chart(service: str, places: LinkSources) -> str:
    _release(service, places)
    try:
        rendered = places.rendered()
    except DeployError as error:
        raise NotChecked(f"the chart cannot be rendered: {error}") from error
    check_rendered(_running(places), rendered, service)
    return f"deployment {service} is what this tree's chart renders"


def _running(places: LinkSources) -> Sequence[Object]:
    try:
        return places.running()
    except DeployError as error:
        raise NotChecked(f"{error}") from error


def _deployment(service: str, package: Package, places: LinkSources) -> str:
    release = _release(service, places)
    same(f"{places.release}: package", release.package, package.digest)
    if not release.image.digest:
        raise NotChecked(f"{places.release} names the image by the tag {release.image.tag!r}, not by digest")
    same(f"{places.release}: image.digest", release.image.digest, _published(places))
    return release.image.digest


def _release(service: str, places: LinkSources) -> ClusterRelease:
    if not places.release.is_file():
        raise NotChecked(f"{places.release} is not there, so no version was released; `make deploy` or `make propose`")
    try:
        return read_release(places.release, service)
    except EnvironmentFileError as error:
        raise Broken(str(error)) from error


def _published(places: LinkSources) -> str:
    """The image's manifest digest: of the pulled image if there is one, else from the build record.

    An engine packs the layers again for a registry, so that an image of its store gets another digest there.
    """
    if places.pulled:
        return read_image(places.pulled).manifest
    built = _built(places.image)
    return built.published or built.digest


def _image_bytes(places: LinkSources) -> ImageBytes:
    built = _built(places.image)
    try:
        folder = places.pulled or places.export(built)
    except (ImageError, ImageRegistryError) as error:
        raise NotChecked(f"the image's own bytes are not to be had: {error}") from error
    return read_image(folder)


def _image(image: ImageBytes, package: Package, places: LinkSources) -> str:
    built = _built(places.image)
    same(f"{places.image}: package", str(built.package), package.digest)
    same("the image that was read", image.config, built.id)
    check_package(image, package, places.public_key)
    return image.config


def _signature(package: Package, places: LinkSources) -> str:
    if not places.public_key:
        raise NotChecked("the environment names no signing.publicKey; give PUBLIC_KEY=public.pem")
    check_signature(package, places.public_key)
    return str(signature_file(package.path))


def _built(path: Path) -> BuiltImage:
    if not path.is_file():
        raise NotChecked(f"{path} is not there, so no image was built here; `make image`")
    try:
        built = read_record(path)
    except ImageRecordError as error:
        raise Broken(f"{error}; `make image` writes it") from error
    if not built.digest or not built.id:
        raise Broken(f"{path} does not say the image's digest and id; `make image` writes them")
    return built


def _code(package: Package, places: LinkSources) -> str:
    fault = why_no_commit(package.receipt.code, places.code)
    if fault:
        raise Broken(fault)
    return package.receipt.code


def _lock(package: Package, places: LinkSources) -> str:
    commit = package.receipt.code.removesuffix(CHANGED)
    fault = why_no_commit(commit, places.code)
    if fault:
        raise NotChecked(f"{fault}")
    try:
        found = committed_lock(places.code, commit, package.receipt.lock)
    except GitError as error:
        raise Broken(str(error)) from error
    if found is None:
        whole = sha256(_git(places.code, "show", "--end-of-options", f"{commit}:{LOCK_FILE}"))
        same(f"{LOCK_FILE} at {commit}", whole, package.receipt.lock)
    return package.receipt.lock


def _git(repository: Path, *arguments: str) -> bytes:
    try:
        return git(repository, *arguments)
    except GitError as error:
        raise Broken(str(error)) from error


def _run(package: Package, places: LinkSources) -> str:
    if is_empty(places.mlflow):
        raise Broken(f"{places.mlflow} is not there, so the run is recorded nowhere")
    found = connect(places.mlflow).search_model_versions(f"tags.`{REGISTERED}` = '{package.digest}'")
    if not found:
        raise Broken(f"{places.mlflow}: no version is registered for {package.digest}")
    same(f"version {found[0].version}: {RUN_TAG}", str(found[0].tags.get(RUN_TAG)), package.receipt.run)
    same(f"version {found[0].version}: {SNAPSHOT_TAG}", str(found[0].tags.get(SNAPSHOT_TAG)), package.receipt.data)
    return package.receipt.run


def _snapshot(package: Package, places: LinkSources) -> str:
    try:
        Store(places.store).get(Kind.SNAPSHOT, package.receipt.data)
    except StoreError as error:
        raise Broken(str(error)) from error
    return package.receipt.data
