"""The engine that builds and runs images: docker, podman or buildah, whichever answers first.

Every build names its platform, because an engine takes the builder's own, and a laptop's need not be the nodes'.

Docker and Podman share one command line. Buildah needs no daemon and runs an image
in three steps. Buildctl is left out: it cannot run an image, so the image could not
be checked, and unchecked images get no name.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.files import EPOCH
from components.image.image_name import ImageName
from components.image.layout import blob, read_layout
from components.image.registry_session import is_plain
from services.image.errors import EngineError

#: The command that must succeed before an engine is chosen; a client without its daemon does not count.
_PROBES: Final = {
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
    "podman": ("podman", "info"),
    "buildah": ("buildah", "info"),
}
_PROBE_SECONDS: Final = 20.0
#: The environment variable that says for which machines images are built, and what holds where it says nothing.
PLATFORM_VARIABLE: Final = "CANARIO_PLATFORM"
_PLATFORMS: Final = ("linux/amd64", "linux/arm64")
_LINES_SHOWN: Final = 25


@dataclass(frozen=True)
class Stored:
    """An image in the engine's store: digest of its manifest, digest of its configuration (`id`), size and labels.

    `size_bytes` is uncompressed. A registry compresses the layers and so has another manifest; `id` is the same
    everywhere.
    """

    digest: str
    id: str
    size_bytes: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Engine:
    """One engine. `options` are added to every build, such as `--network=host`; `log` receives its output."""

    name: str
    options: tuple[str, ...]
    log: Path
    platform: str = _PLATFORMS[0]

    def build_options(self, arguments: Mapping[str, str], labels: Mapping[str, str]) -> list[str]:
        """The options of a build, each as `--name=value`."""
        common = [
            f"--platform={self.platform}",
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            *(f"--label={name}={value}" for name, value in labels.items()),
            *self.options,
        ]
        if self.name == "docker":
            return [f"--build-arg=SOURCE_DATE_EPOCH={EPOCH}", "--provenance=false", *common]
        return ["--layers", f"--timestamp={EPOCH}", *common]

    def build(self, context: Path, file: Path, tag: str, options: Sequence[str]) -> None:
        """Builds an image from a folder.

        Raises:
            EngineError: the build failed; the message holds the end of the log.
        """
        self.call([self.name, "build", "--file", str(file), "--tag", tag, *options, str(context)])

    def call(
        self, command: Sequence[str], folder: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        """Runs a command and appends its output to the log.

        Raises:
            EngineError: the command failed.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(f"\n$ {shlex.join(command)}\n".encode())
            log.flush()
            done = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, check=False)
        if done.returncode:
            end = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES_SHOWN:])
            raise EngineError(f"{command[0]} ended with {done.returncode}; {self.log} ends:\n{end}")

    def stored(self, image: str) -> Stored:
        """The store's entry for an image.

        Raises:
            EngineError: the image is not in the store.
        """
        if self.name == "buildah":
            return _buildah_stored(json.loads(self._answer("buildah", "inspect", "--type", "image", image)))
        return _docker_stored(json.loads(self._answer(self.name, "image", "inspect", image))[0])

    def run(self, image: str, command: Sequence[str]) -> str:
        """The output of a command in a container of the image, run as the image's user on a read-only root.

        Raises:
            EngineError: the command failed; the message holds its output.
        """
        if self.name != "buildah":
            sealed = ("--rm", "--network=none", "--read-only", "--tmpfs=/tmp", f"--entrypoint={command[0]}")
            return self._answer(self.name, "run", *sealed, image, *command[1:])
        container = self._answer("buildah", "from", "--pull-never", image).strip()
        try:
            return self._answer("buildah", "run", container, "--", *command)
        finally:
            self._answer("buildah", "rm", container)

    def export(self, image: str, folder: Path) -> None:
        """Writes an image as an OCI layout into an existing folder.

        Raises:
            EngineError: the image is not in the store, or cannot be written.
        """
        if self.name != "docker":
            self._answer(self.name, "push", "--quiet", image, f"oci:{folder}")
            return
        archive = folder / "image.tar"
        self._answer("docker", "save", "--output", str(archive), image)
        with tarfile.open(archive) as saved:
            # Python 3.11.3 and older know no filter.
            saved.extraction_filter = getattr(tarfile, "data_filter", None)
            saved.extractall(folder)  # noqa: S202 -- the archive is docker's own
        archive.unlink()

    def load(self, folder: Path, image: str) -> None:
        """Puts the image of an OCI layout into the store, under a name with a tag.

        Raises:
            EngineError: the engine cannot read the layout.
        """
        if self.name == "docker":
            with tempfile.TemporaryDirectory(prefix="canario-load-") as scratch:
                archive = Path(scratch, "image.tar")
                write_archive(folder, image, archive)
                self._answer("docker", "load", "--input", str(archive))
            return
        loaded = self._answer(self.name, "pull", "--quiet", f"oci:{folder}").split()[-1]
        self._answer(self.name, "tag", loaded, image)
        for name in self._named_after(folder, loaded):
            self.remove(name)

    def _named_after(self, folder: Path, image_id: str) -> list[str]:
        """The names that an image got from the path of the layout it was loaded from: older engines give one."""
        listing = ("images", "--json") if self.name == "buildah" else ("images", "--format", "json")
        entries = [
            {key.lower(): value for key, value in one.items()} for one in json.loads(self._answer(self.name, *listing))
        ]
        names = [name for one in entries if image_id.startswith(one["id"]) for name in one.get("names") or ()]
        return [name for name in names if name.startswith("localhost/") and name.endswith(f"/{folder.name}:latest")]

    def push(self, image: str) -> str:
        """Pushes an image to the registry in its name.

        Returns:
            The image's digest in the registry.

        Raises:
            EngineError: the image is not in the store, or the registry refuses it.
        """
        if self.name == "docker":
            self._answer("docker", "push", image)
            known = json.loads(self._answer("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", image))
            name = image.rpartition(":")[0]
            found = [entry.partition("@")[2] for entry in known if entry.startswith(f"{name}@")]
            if len(found) != 1:
                raise EngineError(f"docker does not say under which digest {image} was pushed: {known}")
            return str(found[0])
        with tempfile.TemporaryDirectory(prefix="canario-push-") as folder:
            digest = Path(folder) / "digest"
            how = ["--tls-verify=false"] if is_plain(ImageName.parse(image).registry) else []
            self._answer(self.name, "push", *how, "--digestfile", str(digest), image)
            return digest.read_text(encoding="utf-8").strip()

    def rename(self, image: str, name: str) -> None:
        """Replaces an image's name by another."""
        self._answer(self.name, "tag", image, name)
        self.remove(image)

    def remove(self, image: str) -> None:
        """Removes a name from an image; removing the last name deletes the image."""
        self._answer(self.name, "rmi", image)

    def pull(self, image: str) -> None:
        """Pulls an image from its registry unless it is already in the store."""
        try:
            self.stored(image)
        except EngineError:
            self.call([self.name, "pull", f"--platform={self.platform}", image])

    def _answer(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-_LINES_SHOWN:])
            raise EngineError(f"{shlex.join(command[:3])} ended with {done.returncode}:\n{said}")
        return done.stdout


def write_archive(folder: Path, image: str, archive: Path) -> None:
    """Packs an OCI layout as `docker save` does: the layout, and a list by which older Dockers find its parts."""
    layout = read_layout(folder)
    parts = [str(blob(folder, digest).relative_to(folder)) for digest in (layout.config, *layout.digests)]
    listed = json.dumps([{"Config": parts[0], "RepoTags": [image], "Layers": parts[1:]}]).encode()
    with tarfile.open(archive, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.add(path, str(path.relative_to(folder)))
        member = tarfile.TarInfo("manifest.json")
        member.size = len(listed)
        packed.addfile(member, io.BytesIO(listed))


def find_engine(log: Path, environment: Mapping[str, str] = os.environ) -> Engine:
    """The first engine that answers.

    CANARIO_ENGINE names one, CANARIO_BUILD_OPTIONS adds options to its builds, CANARIO_PLATFORM names their platform.

    Raises:
        EngineError: no engine answers, or a variable names what there is not.
    """
    platform = environment.get(PLATFORM_VARIABLE) or _PLATFORMS[0]
    if platform not in _PLATFORMS:
        raise EngineError(f"{PLATFORM_VARIABLE}: {platform!r} is no platform; allowed: {', '.join(_PLATFORMS)}")
    chosen = environment.get("CANARIO_ENGINE", "")
    if chosen and chosen not in _PROBES:
        raise EngineError(f"CANARIO_ENGINE: {chosen!r} is no engine; allowed: {', '.join(_PROBES)}")
    names = [chosen] if chosen else list(_PROBES)
    for name in names:
        if _answers(_PROBES[name]):
            return Engine(name, tuple(shlex.split(environment.get("CANARIO_BUILD_OPTIONS", ""))), log, platform)
    raise EngineError(
        f"no engine that builds images answers here (asked: {', '.join(names)}). Install Docker and start it, or "
        "install podman or buildah, which need no daemon (Debian: apt-get install buildah)"
    )


def _answers(probe: Sequence[str]) -> bool:
    if shutil.which(probe[0]) is None:
        return False
    try:
        done = subprocess.run(probe, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _buildah_stored(document: Mapping[str, Any]) -> Stored:
    manifest = json.loads(document["Manifest"])
    return Stored(
        digest=document["FromImageDigest"],
        id=f"sha256:{document['FromImageID']}",
        size_bytes=sum(layer["size"] for layer in manifest["layers"]),
        labels=document["OCIv1"]["config"].get("Labels") or {},
    )


def _docker_stored(document: Mapping[str, Any]) -> Stored:
    """Reads Docker's entry; an image that was never pushed has only the digest of its configuration."""
    known = f"sha256:{document['Id'].removeprefix('sha256:')}"
    return Stored(
        document.get("Digest") or known,
        known,
        int(document["Size"]),
        (document.get("Config") or {}).get("Labels") or {},
    )
