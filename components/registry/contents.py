"""Everything that a registry says of its versions, in a form that two moments can be compared by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from components.errors import ComponentError
from components.registry.model_registry import connect

_PAGE: Final = 200


class UnreadableRegistryError(ComponentError):
    """A registry cannot be read."""


def read_contents(uri: str) -> dict[str, Any]:
    """The models of a registry by name: aliases, tags and versions, and of each version its run, source, status, tags.

    Raises:
        UnreadableRegistryError: the registry cannot be read.
    """
    from mlflow.exceptions import MlflowException

    try:
        return _read(uri)
    except MlflowException as error:
        raise UnreadableRegistryError(str(error)) from error


def _read(uri: str) -> dict[str, Any]:
    client = connect(uri)
    models: dict[str, Any] = {}
    for model in _all(partial(client.search_registered_models, max_results=_PAGE)):
        versions = _all(partial(client.search_model_versions, f"name = '{model.name}'", _PAGE))
        models[model.name] = {
            "aliases": {alias: str(version) for alias, version in sorted(model.aliases.items())},
            "tags": dict(sorted(model.tags.items())),
            "versions": {str(one.version): _version(one) for one in sorted(versions, key=lambda one: int(one.version))},
        }
    return dict(sorted(models.items()))


def told(models: dict[str, Any]) -> str:
    """The size of a registry in words."""
    versions = sum(len(model["versions"]) for model in models.values())
    return f"{len(models)} models with {versions} versions"


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What changed between two moments, a line each."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, {}), after.get(name, {})
        for key in ("aliases", "tags", "versions"):
            mine, theirs = old.get(key, {}), new.get(key, {})
            lines += [
                f"{name}: {key} {item}: {mine.get(item)} became {theirs.get(item)}"
                for item in sorted(mine.keys() | theirs.keys())
                if mine.get(item) != theirs.get(item)
            ]
    return lines


def _version(version: Any) -> dict[str, Any]:
    return {
        "run": str(version.run_id),
        "source": str(version.source),
        "status": str(version.status),
        "tags": dict(sorted(version.tags.items())),
    }


def _all(page: Callable[..., Any]) -> Iterator[Any]:
    """The items of every page."""
    token: str | None = None
    while True:
        found = page(page_token=token)
        yield from found
        token = found.token
        if not token:
            return
