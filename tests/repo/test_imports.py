"""Imports go one way, and what serves carries nothing that only trains."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache

import pytest

from tests.repo.rooms import ROOMS, STEPS, misplaced, place_of
from tests.repo.tree import ROOT, imports, modules

#: What training needs and a server must not carry.
FOR_TRAINING = ("sklearn", "tensorflow", "keras", "pandas", "scipy", "mlflow", "kfp", "yaml", "pyarrow")


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
        if name.partition(".")[0] in ROOMS[""]
    }


def test_imports_go_one_way() -> None:
    wrong = {module: found for module, imported in ours().items() if (found := misplaced(module, imported))}
    assert wrong == {}


def test_every_module_has_a_place_in_the_order() -> None:
    """A new room, step or module at the top of a storey has to be placed before it is used."""
    placed = {place for names in ROOMS.values() for place in names}
    assert [name for name in ours() if place_of(name) is None] == []
    assert placed - {"steps"} <= {part for name in ours() for part in name.split(".")} | set(ROOMS[""])


def test_the_steps_are_those_of_the_pipeline() -> None:
    sources = {step: (ROOT / "components" / f"{step}.py").read_text(encoding="utf-8") for step in STEPS}
    assert [step for step, source in sources.items() if source.count("\n@step\n") != 1] == []


@pytest.mark.parametrize(
    ("module", "imported", "wrong"),
    [
        ("components.split", ["components.spec.contract", "numpy", "pipelines.local"], ["pipelines.local"]),
        ("components.split", ["services.telemetry"], ["services.telemetry"]),
        ("components.split", ["components.tune"], ["components.tune"]),
        ("components.split", ["components.split", "components.table.holdout"], []),
        ("components.table.cells", ["components.models.trained"], ["components.models.trained"]),
        ("components.models.trained", ["components.train"], ["components.train"]),
        ("components.models.trained", ["components.models.trials", "components.table.cells"], []),
        ("components.errors", ["components.spec.contract"], ["components.spec.contract"]),
        ("pipelines.local", ["components.spec.reading.loading", "services.judge"], ["services.judge"]),
        ("services.judge.server", ["components.spec.contract", "components.tune"], ["components.tune"]),
        ("services.judge.server", ["components.releases.rollback", "components.models.trained"],
         ["components.models.trained"]),
        ("services.model_server.app", ["components.git.command"], ["components.git.command"]),
        ("services.judge.server", ["pipelines.local"], ["pipelines.local"]),
        ("services.judge.server", ["k8s.twin"], ["k8s.twin"]),
        ("services.judge.statistics.evalue", ["services.judge.actions.rest"], ["services.judge.actions.rest"]),
        ("k8s.cluster.kubectl", ["k8s.rendering.render"], ["k8s.rendering.render"]),
        ("k8s.deploy.__main__", ["k8s.twin.sync"], ["k8s.twin.sync"]),
        ("k8s.twin.report.page", ["k8s.twin.demo.story"], ["k8s.twin.demo.story"]),
        ("k8s.twin.demo", ["services.judge", "pipelines.local", "components.split"], []),
        ("k8s.twin.demo", ["tests.repo"], ["tests.repo"]),
    ],
)  # fmt: skip
def test_an_import_the_wrong_way_is_seen(module: str, imported: list[str], wrong: list[str]) -> None:
    assert misplaced(module, imported) == wrong


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
