"""Loads local images onto the nodes of a cluster that cannot pull them, such as kind's."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from components.files import write_atomically
from k8s.cluster.kubectl import kubectl
from k8s.errors import ClusterError, ToolError
from services.image.engine import find_engine
from services.image.errors import EngineError

#: Names that begin so belong to images that exist only in the store of the machine that built them.
UNPUBLISHED: Final = "registry.local/"
_BROUGHT: Final = Path(__file__).resolve().parents[2] / "build" / "brought"
_KIND: Final = "kind-"


def bring(image: str, say: Callable[[str], None], brought: Path = _BROUGHT) -> None:
    """Loads an image onto every node, once; images of a registry are left to the nodes.

    CANARIO_LOAD_IMAGE is the command that does it, with the image's name after it; for a cluster of kind it is known.
    Where there is none, it is said that the nodes must have the image.

    Args:
        image: its name with the tag.
        say: gets a line of progress.
        brought: what was brought to which cluster is remembered there, for it takes half a minute.

    Raises:
        ClusterError: it is not in this machine's store, or could not be brought.
        ToolError: what brings it is not there.
    """
    if not image.startswith(UNPUBLISHED):
        return
    command = loader(kubectl("config", "current-context").strip(), os.environ)
    if command is None:
        say(f"{image} is in no registry, so each node must have it already; `make publish` brings it to one")
        return
    cluster = kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}").strip()
    record = brought / cluster / _stored(image).removeprefix("sha256:")
    if record.exists():
        return
    say(f"{image} is being brought to the nodes")
    _call([*command, image])
    write_atomically(record, image + "\n")


def loader(context: str, environment: Mapping[str, str]) -> list[str] | None:
    """The command that loads an image onto the nodes of a context's cluster; None if none is known."""
    if given := environment.get("CANARIO_LOAD_IMAGE"):
        return shlex.split(given)
    if context.startswith(_KIND):
        return ["kind", "load", "docker-image", "--name", context.removeprefix(_KIND)]
    return None


def _stored(image: str) -> str:
    """The image's digest in this machine's store."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            return find_engine(Path(folder, "log")).stored(image).digest
        except EngineError as error:
            raise ClusterError(
                f"{image} is not in the store of this machine; `make image` or `make platform-images` makes it\n{error}"
            ) from error


def _call(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be run, so no node gets the image: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise ClusterError(f"`{shlex.join(command)}` ended with {done.returncode}: {said}")
