"""What a chart's next release makes, changes and takes away, by comparing two sets of objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from k8s.cluster.helm import KEEP, RESOURCE_POLICY

_LABEL: Final = "helm.sh/chart"


@dataclass(frozen=True)
class ObjectChanges:
    """Objects as kind/name, sorted; `restarted` are those whose pods are replaced."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is different."""
        return not (self.created or self.changed or self.deleted)

    def lines(self) -> Iterator[str]:
        """What a person reads before it is done."""
        for word in ("created", "changed", "restarted", "deleted"):
            if names := getattr(self, word):
                yield f"{word}: {', '.join(names)}"


def compare(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]], namespace: str) -> ObjectChanges:
    """The changes between a release's objects and those of the next; objects without a namespace are in `namespace`."""
    old, new = _named(before, namespace), _named(after, namespace)
    both = sorted(old.keys() & new.keys())
    return ObjectChanges(
        created=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(name for name in both if _plain(old[name]) != _plain(new[name])),
        deleted=tuple(sorted(name for name in old.keys() - new.keys() if not _is_kept(old[name]))),
        restarted=tuple(name for name in both if _template(old[name]) != _template(new[name])),
    )


def object_name(one: Mapping[str, Any], namespace: str) -> str:
    """Kind and name, with its namespace between them if that is another."""
    place = one["metadata"].get("namespace", namespace)
    prefix = "" if place == namespace else f"{place}/"
    return f"{one['kind']}/{prefix}{one['metadata']['name']}"


def _named(objects: Iterable[Mapping[str, Any]], namespace: str) -> dict[str, Mapping[str, Any]]:
    return {object_name(one, namespace): one for one in objects}


def _plain(one: Mapping[str, Any]) -> dict[str, Any]:
    """An object without the label that changes with each version of the chart."""
    metadata = dict(one["metadata"])
    metadata["labels"] = {key: value for key, value in metadata.get("labels", {}).items() if key != _LABEL}
    return {**one, "metadata": metadata}


def _template(one: Mapping[str, Any]) -> Any:
    return one["spec"]["template"] if one["kind"] in ("Deployment", "StatefulSet", "DaemonSet") else None


def _is_kept(one: Mapping[str, Any]) -> bool:
    return bool(one["metadata"].get("annotations", {}).get(RESOURCE_POLICY) == KEEP)
