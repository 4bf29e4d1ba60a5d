"""Imports go one way, and what serves carries nothing that only trains."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache

import pytest

from tests.repo.tree import LAYERS, ROOT, imports, modules

#: Of the components, what a service may use: the spec, the package, how a request becomes numbers, files, digests.
FOR_SERVICES = ("contract", "digest", "encoding", "errors", "files", "package", "signature", "spec")
#: What training needs and a server must not carry.
FOR_TRAINING = ("sklearn", "tensorflow", "keras", "pandas", "scipy", "mlflow", "kfp", "yaml", "pyarrow")


def wrong_way(module: str, imported: Iterable[str]) -> list[str]:
    """Which of a module's imports go against the order of the layers."""
    layer = module.partition(".")[0]
    return sorted(name for name in imported if not _may(layer, name))


def _may(layer: str, name: str) -> bool:
    other, _, rest = name.partition(".")
    if other == "tests":
        return False
    if other not in LAYERS or other == layer:
        return True
    if layer == "services" and other == "components":
        return not rest or rest.split(".")[0] in FOR_SERVICES
    return (other, layer) != ("pipelines", "services") and LAYERS.index(other) < LAYERS.index(layer)


def closure(start: Iterable[str], sources: Mapping[str, set[str]]) -> dict[str, str]:
    """Every module that is reached from some modules of ours, and through which one."""
    reached: dict[str, str] = {}
    waiting = [(name, name) for name in start]
    while waiting:
        name, through = waiting.pop()
        if name not in reached:
            reached[name] = through
            waiting += [(target, name) for target in sources.get(name, ())]
    return reached


@cache
def ours() -> dict[str, set[str]]:
    return {
        name: imports((ROOT / path).read_text(encoding="utf-8"))
        for name, path in modules().items()
        if name.partition(".")[0] in LAYERS
    }


def test_imports_go_one_way() -> None:
    wrong = {module: found for module, imported in ours().items() if (found := wrong_way(module, imported))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("module", "imported", "wrong"),
    [
        ("components.split", ["components.spec.contract", "numpy", "pipelines.local"], ["pipelines.local"]),
        ("components.split", ["services.telemetry"], ["services.telemetry"]),
        ("pipelines.local", ["components.spec.loading", "services.judge"], ["services.judge"]),
        ("services.judge.app", ["components.spec.contract", "components.tune"], ["components.tune"]),
        ("services.judge.app", ["pipelines.local"], ["pipelines.local"]),
        ("services.judge.app", ["k8s.twin"], ["k8s.twin"]),
        ("k8s.twin.demo", ["services.judge", "pipelines.local", "components.split"], []),
        ("k8s.twin.demo", ["tests.repo"], ["tests.repo"]),
    ],
)
def test_an_import_the_wrong_way_is_seen(module: str, imported: list[str], wrong: list[str]) -> None:
    assert wrong_way(module, imported) == wrong


def test_imports_inside_functions_are_seen() -> None:
    source = "import a.b\ndef f():\n    from c import d\n    if 1:\n        import e as g\n"
    assert imports(source) == {"a.b", "c", "c.d", "e"}


def serving() -> list[str]:
    """The server's modules that run when it serves; `build` runs before."""
    return [name for name in ours() if name.startswith("services.model_server") and not name.endswith(".build")]


def test_what_serves_carries_nothing_that_only_trains() -> None:
    reached = closure(serving(), ours())
    carried = {name: through for name, through in reached.items() if name.partition(".")[0] in FOR_TRAINING}
    assert len(serving()) > 5
    assert carried == {}


def test_what_is_carried_through_another_module_is_seen() -> None:
    sources = {
        "services.model_server.app": {"components.package.model_package"},
        "components.package.model_package": {"pandas"},
    }
    assert closure(["services.model_server.app"], sources)["pandas"] == "components.package.model_package"


def test_the_serving_process_loads_nothing_that_only_trains() -> None:
    """The same, by loading it: a library of ours could load one of those itself."""
    started = [name for name in serving() if not name.endswith(".service")]  # needs a package, and BentoML reads YAML
    program = f"import sys, {', '.join(started)}\nprint(*sorted(set(sys.modules) & set({FOR_TRAINING!r})))"
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []
