"""Turns a release into a program: the package's bento, served from the locked server environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.errors import PackageError, ReleaseError
from components.package.model_package import package_digest
from components.releases.release_file import Release
from components.spec.contract import Rollout
from k8s.twin.processes import Program
from services import telemetry
from services.model_server.build import build_bento, serve_command, serve_environment
from services.model_server.errors import ServerError

_ROOT = Path(__file__).resolve().parents[2]
SERVER_PYTHON = _ROOT / ".venv-server" / "bin" / "python"

#: Returns the folder of the package with a digest; None when it is not known.
FindPackage = Callable[[str], Path | None]


class BentoPrograms:
    """Makes the program of each release; bentos, logs and prediction logs go to `home`."""

    def __init__(
        self, home: Path, find_package: FindPackage, interval_seconds: float, rollout: Rollout | None = None
    ) -> None:
        """`interval_seconds` is the time between two turns of the rollout; `rollout` says if it begins in a shadow."""
        self._home, self._rollout = home, rollout or Rollout()
        self._find_package = find_package
        # As the chart does. The server takes no less than half a second.
        self._label_slot_seconds = max(0.5, interval_seconds)

    def __call__(self, release: Release, port: int, peers: tuple[str, ...]) -> Program:
        """Builds the release's bento unless it exists, and returns the program that serves it.

        Raises:
            ReleaseError: the release's package is not known, was changed, or cannot be built.
        """
        bento = self._bento(release)
        logs = self._home / "logs"
        settings = {
            **release.settings,
            "CANARIO_SERVICE": release.service,
            "CANARIO_VERSION": release.version,
            "CANARIO_PEERS": ",".join(peers),
            "CANARIO_LABEL_SLOT_SECONDS": str(self._label_slot_seconds),
            **shadow_settings(self._rollout, port, peers),
            "CANARIO_LOG_DIR": str(self._home / "predictions" / f"v{release.version}"),
        }
        return Program(
            name=f"{release.service} v{release.version}",
            command=tuple(serve_command(bento, port, server_python=SERVER_PYTHON)),
            log=logs / f"v{release.version}.log",
            ready_url=f"http://127.0.0.1:{port}/readyz",
            environment=serve_environment(self._home / "bentoml" / str(port), settings),
        )

    def _bento(self, release: Release) -> Path:
        package = self._find_package(release.package)
        if package is None:
            raise ReleaseError(f"version {release.version}: there is no package {release.package}; train it first")
        try:
            if (digest := package_digest(package)) != release.package:
                raise ReleaseError(f"{package}: is {digest}, the release asks for {release.package}; package it again")
            return build_bento(package, self._home / "bento")
        except (PackageError, ServerError) as error:
            raise ReleaseError(f"version {release.version}: {error}") from error


def shadow_settings(rollout: Rollout, port: int, peers: tuple[str, ...]) -> dict[str, str]:
    """The settings with which a version copies requests to the other slot, as the chart gives them; else none."""
    if not rollout.shadow_first:
        return {}
    (other,) = (peer for peer in peers if not peer.endswith(f":{port}"))
    shadow = rollout.shadow
    return {
        "CANARIO_SHADOW_URL": f"http://{other}{telemetry.SHADOW_PATH}",
        "CANARIO_SHADOW_FIRST": "true",
        "CANARIO_SHADOW_RATIO": str(shadow.ratio),
        "CANARIO_SHADOW_SCORE_DIFFERENCE": str(shadow.score_difference),
        "CANARIO_SHADOW_SLICES": ",".join(shadow.slices),
        "CANARIO_SHADOW_MATURE_SECONDS": str(60 * (rollout.label_maturity_minutes or 0)),
    }
