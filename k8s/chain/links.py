"""The links of the chain, each checked by itself: is what it names there, and are the bytes what it says?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.digest import sha256
from components.errors import PackageError
from components.ingest import snapshot_uri
from components.package import Package, read_package
from components.provenance import LOCK_FILE
from components.registry import PACKAGE_TAG as REGISTERED
from components.registry import RUN_TAG, SNAPSHOT_TAG, connect, is_empty
from k8s.deploy.environment import read_release
from k8s.deploy.errors import EnvironmentFileError


@dataclass(frozen=True)
class Link:
    """What was found at one link; without `fault` it is ok."""

    name: str
    says: str
    fault: str = ""


@dataclass(frozen=True)
class Places:
    """Where the records are.

    Attributes:
        package: folder of the package.
        release: the environment's release file of the service.
        image: the record that `make image` writes.
        code: the Git repository that trained it.
        store: folder or URI of snapshots.
        mlflow: URI of the registry.
        served: digest that an answer's header named, or None when nobody was asked.
    """

    package: Path
    release: Path
    image: Path
    code: Path
    store: Path
    mlflow: str
    served: str | None


class Broken(Exception):  # noqa: N818 -- it becomes a link's fault, and is never seen outside
    """A link does not hold, or could not be checked."""


def follow(service: str, places: Places) -> list[Link]:
    """Every link from the answer back to the data, in that order; a broken package ends the walk."""
    try:
        package = read_package(places.package)
    except PackageError as error:
        return [Link("package", str(places.package), str(error))]
    checks: dict[str, Callable[[], str]] = {
        "answer": lambda: _answer(package, places),
        "deployment": lambda: _deployment(service, package, places),
        "chart": _chart,
        "image": lambda: _image(service, package, places),
        "package": lambda: package.digest,
        "code": lambda: _code(package, places),
        "lock": lambda: _lock(package, places),
        "run": lambda: _run(package, places),
        "snapshot": lambda: _snapshot(package, places),
    }
    return [_link(name, check) for name, check in checks.items()]


def _link(name: str, check: Callable[[], str]) -> Link:
    try:
        return Link(name, check())
    except Broken as broken:
        return Link(name, "", str(broken))


def _answer(package: Package, places: Places) -> str:
    if places.served is None:
        raise Broken("not checked: no server was asked; give --url or --header")
    _same("the answer's header", places.served, package.digest)
    return places.served


def _deployment(service: str, package: Package, places: Places) -> str:
    try:
        release = read_release(places.release, service)
    except EnvironmentFileError as error:
        raise Broken(str(error)) from error
    _same(f"{places.release}: package", release.package, package.digest)
    if not release.image.digest:
        raise Broken(f"not checked: {places.release} names the image by the tag {release.image.tag!r}, not by digest")
    _same(f"{places.release}: image.digest", release.image.digest, str(_record(places.image)["digest"]))
    return release.image.digest


def _chart() -> str:
    raise Broken("not checked: no release names its chart's digest")


def _image(service: str, package: Package, places: Places) -> str:
    record = _record(places.image)
    _same(f"{places.image}: package", str(record["package"]), package.digest)
    raise Broken(f"not checked: its record names this package of {service}, but the image's own bytes were not read")


def _record(path: Path) -> dict[str, object]:
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Broken(f"{path} cannot be read ({error}); `make image` writes it") from error
    if not isinstance(record, dict) or not {"digest", "package"} <= set(record):
        raise Broken(f"{path} is no image's record; `make image` writes it")
    return record


def _code(package: Package, places: Places) -> str:
    commit = package.receipt.code
    if commit.endswith("-changed"):
        raise Broken(f"{commit}: files differed from the commit when it was trained; commit them and train again")
    _git(places.code, "cat-file", "-e", "--end-of-options", f"{commit}^{{commit}}")
    return commit


def _lock(package: Package, places: Places) -> str:
    commit = package.receipt.code.removesuffix("-changed")
    _same(
        f"{LOCK_FILE} at {commit}",
        sha256(_git(places.code, "show", "--end-of-options", f"{commit}:{LOCK_FILE}")),
        package.receipt.lock,
    )
    return package.receipt.lock


def _git(repository: Path, *arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=False)
    if done.returncode:
        raise Broken(f"{repository}: git {' '.join(arguments)} failed: {done.stderr.decode().strip()}")
    return done.stdout


def _run(package: Package, places: Places) -> str:
    if is_empty(places.mlflow):
        raise Broken(f"{places.mlflow} is not there, so the run is recorded nowhere")
    found = connect(places.mlflow).search_model_versions(f"tags.`{REGISTERED}` = '{package.digest}'")
    if not found:
        raise Broken(f"{places.mlflow}: no version is registered for {package.digest}")
    _same(f"version {found[0].version}: {RUN_TAG}", str(found[0].tags.get(RUN_TAG)), package.receipt.run)
    _same(f"version {found[0].version}: {SNAPSHOT_TAG}", str(found[0].tags.get(SNAPSHOT_TAG)), package.receipt.data)
    return package.receipt.run


def _snapshot(package: Package, places: Places) -> str:
    path = Path(snapshot_uri(str(places.store), package.receipt.data))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Broken(f"{path} cannot be read: {error.strerror}") from error
    _same(str(path), sha256(content), package.receipt.data)
    return package.receipt.data


def _same(what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise Broken(f"{what} is {found}, and the chain names {wanted}")
