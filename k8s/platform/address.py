"""Checks the address of the environment repository: its owner decides what runs in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from components.spec.reading.strict_yaml import load_yaml
from k8s.errors import EnvironmentFileError
from k8s.rendering.platform_values import PLATFORM

#: No host can exist below this domain (RFC 2606), so nobody can put a repository there.
_NOWHERE: Final = ".invalid"
_ARGUMENT: Final = "--environment="


def check_followed(root: Path, environment: str) -> None:
    """Checks that Flux and an environment's judge are given a real repository.

    Raises:
        EnvironmentFileError: one of the two addresses is still the placeholder.
    """
    source = load_yaml((root / "k8s" / "flux" / "source.yaml").read_text(encoding="utf-8"))
    judge = load_yaml((root / "k8s" / "envs" / environment / f"{PLATFORM}.yaml").read_text(encoding="utf-8"))
    _check(source["spec"]["url"], environment)
    _check(judge["environment"]["url"], environment)


def check_reverted(objects: Iterable[Mapping[str, Any]], environment: str) -> None:
    """Checks that the judge among an environment's objects, if it reverts at all, is given a real repository.

    Raises:
        EnvironmentFileError: its address is still the placeholder.
    """
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    for words in [container.get("args", ()) for pod in pods for container in pod["containers"]]:
        for word in words:
            if word.startswith(_ARGUMENT):
                _check(word.removeprefix(_ARGUMENT), environment)


def _check(address: str, environment: str) -> None:
    if (urlsplit(address).hostname or "").endswith(_NOWHERE):
        raise EnvironmentFileError(
            f"{address} is no repository but a placeholder, and whoever owns the one that Flux follows rules the "
            f"cluster; write the address of yours into k8s/flux/source.yaml and into k8s/envs/{environment}/"
            f"{PLATFORM}.yaml, then `make render`, and commit all of it"
        )
