"""What a chart's next release makes, changes, restarts and takes away is told before it is done."""

from __future__ import annotations

from typing import Any

from k8s.upgrade.objects import compare


def deployment(image: str, *, chart: str = "canario-0.1.0", **metadata: Any) -> dict[str, Any]:
    labels = {"app": "judge", "helm.sh/chart": chart}
    spec = {"selector": {"matchLabels": {"app": "judge"}}, "template": {"spec": {"containers": [{"image": image}]}}}
    return {"kind": "Deployment", "metadata": {"name": "judge", "labels": labels, **metadata}, "spec": spec}


def settings(name: str, value: str, **metadata: Any) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"key": value}}


def test_equal_objects_are_no_change() -> None:
    found = compare([deployment("a"), settings("s", "1")], [settings("s", "1"), deployment("a")], "canario")
    assert found.is_empty
    assert list(found.lines()) == []


def test_a_new_version_of_the_chart_alone_is_no_change() -> None:
    assert compare([deployment("a")], [deployment("a", chart="canario-0.2.0")], "canario").is_empty


def test_each_kind_of_change_is_named() -> None:
    before = [deployment("a"), settings("same", "1"), settings("old", "1"), settings("text", "1")]
    after = [deployment("b"), settings("same", "1"), settings("new", "1"), settings("text", "2", namespace="canario")]
    assert list(compare(before, after, "canario").lines()) == [
        "created: ConfigMap/new",
        "changed: ConfigMap/text, Deployment/judge",
        "restarted: Deployment/judge",
        "deleted: ConfigMap/old",
    ]


def test_what_helm_keeps_is_not_called_deleted() -> None:
    kept = settings("old", "1", annotations={"helm.sh/resource-policy": "keep"})
    assert compare([kept], [], "canario").is_empty


def test_an_object_of_another_namespace_is_another() -> None:
    found = compare([settings("s", "1", namespace="models")], [settings("s", "1")], "canario")
    assert (found.created, found.deleted) == (("ConfigMap/s",), ("ConfigMap/models/s",))
