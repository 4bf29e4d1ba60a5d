"""Serves a service's newest package behind the gateway until Ctrl-C: `python -m k8s.twin.serve --spec FILE`."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType

from components.errors import ComponentError
from components.git.repository import Repository
from components.package.model_package import Package, read_package
from components.releases.release_file import Release
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from k8s.twin.errors import TwinError
from k8s.twin.twin import Twin
from services.image.newest_package import newest_package
from services.judge.errors import JudgeError

_ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGINT or SIGTERM; the exit status is 2 when the package cannot be served."""
    given = _parse(arguments)
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    home = Path(tempfile.mkdtemp(prefix="canario-serve-"))
    try:
        spec = load_spec(given.spec)
        package = read_package(given.package or newest_package(given.trained / spec.name))
        _serve(given.spec, spec, package, home, given.port, stop)
    except (ComponentError, TwinError, JudgeError) as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m k8s.twin.serve", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--package", type=Path, help="folder of a package; by default the newest of `make train`")
    parser.add_argument("--trained", type=Path, default=_ROOT / "build" / "train", help="where `make train` works")
    parser.add_argument("--port", type=int, help="where to listen; by default a free port")
    return parser.parse_args(arguments)


def _serve(spec_path: Path, spec: Spec, package: Package, home: Path, port: int | None, stop: threading.Event) -> None:
    repository = Repository.create(home / "environment.git")
    release = Release(service=spec.name, version="1", package=package.digest)
    print(
        f"starting {spec.name} ({package.digest[:19]}...): gateway, server, judge; this takes up to a minute",
        flush=True,
    )
    with Twin(spec_path, home, repository, {package.digest: package.path}.get, port=port) as twin:
        twin.deploy(release, f"Serve {spec.name}")
        print("the server is started and its golden requests are replayed", flush=True)
        ended = None
        while ended is None and not stop.is_set():
            ended = twin.wait_for_end(release.version, 0.2)
        if ended is not None and ended.phase == "Failed":
            raise TwinError(ended.reason)
        if not stop.is_set():
            print(invitation(spec.name, package, twin.url), flush=True)
            stop.wait()


def invitation(service: str, package: Package, url: str) -> str:
    """The text that shows a person how to call the service."""
    example = json.dumps(package.golden[0].request, ensure_ascii=False).replace("'", "'\\''")
    return (
        f"{service} ({package.digest}) answers at {url}\n\n"
        f"  curl -s {url}/predict -H 'content-type: application/json' -d '{example}'\n\n"
        f"{url}/docs describes it. Ctrl-C stops it."
    )


if __name__ == "__main__":
    sys.exit(main())
