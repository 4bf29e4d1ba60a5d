"""Every command that is written down somewhere is there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from k8s.twin.demo.faults import Fault
from tests.programs import program
from tests.repo.makefile import MAKEFILE, targets
from tests.repo.tree import ROOT, modules, texts

README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(text: str) -> set[str]:
    """Targets of `make` that a text tells people to run, in backticks or indented as code, or in a script."""
    called = re.findall(r"(?:`|^\s*|&& )make ((?:[A-Z]+=\S+ )*)([a-z][a-z0-9-]*)\b", text, re.MULTILINE)
    return {target for _, target in called}


def started(makefile: str) -> set[str]:
    """Modules that a Makefile starts."""
    return set(re.findall(r"\$\(PY\) -m ([a-z_][a-z0-9_.]*)", makefile)) - {"pytest", "ruff", "mypy", "mlflow"}


def missing_modules(names: set[str]) -> set[str]:
    """Those that `python -m` would not find: neither a file, nor a folder with a program."""
    known = modules()
    programs = {name for name, path in known.items() if path.name != "__init__.py"}
    return {name for name in names if name not in programs and f"{name}.__main__" not in programs}


def test_every_command_in_a_document_is_in_the_makefile() -> None:
    known = targets(MAKEFILE) | set(re.findall(r"^\.PHONY: (\S+)", MAKEFILE, re.MULTILINE))
    wrong = {}
    for path, text in texts():
        if path.suffix in {".md", ".yaml", ".yml", ".html"} or path == Path(".ci/run"):
            absent = commands(text) - known
            if absent:
                wrong[str(path)] = absent
    assert wrong == {}
    assert {"demo", "test", "new"} <= commands(README)


def test_every_target_explains_itself_and_is_listed_by_make() -> None:
    phony = set(re.findall(r"^\.PHONY: (\S+)", MAKEFILE, re.MULTILINE))
    assert phony == targets(MAKEFILE)
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in listed.splitlines() if line.startswith("  ")} == phony


def _make_ui(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """`make ui` in a folder that holds nothing but runs; the set-up is taken for done."""
    command = ["make", "-f", str(ROOT / "Makefile"), "-o", "setup", "ui", *more]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_tracker_opens_on_the_newest_runs(tmp_path: Path) -> None:
    """The tracker opens on the newest runs, whether train or demo made them."""
    none = _make_ui(tmp_path)
    assert none.returncode == 2
    assert "there are no runs to show: make train or make demo makes some" in none.stderr
    for age, place in enumerate(("build/demo/mlflow/mlflow.db", "build/mlflow/mlflow.db")):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).touch()
        os.utime(tmp_path / place, (1000 - age, 1000 - age))
    assert "sqlite:///build/demo/mlflow/mlflow.db" in _make_ui(tmp_path, "-n").stdout
    assert "sqlite:///build/mlflow/mlflow.db" in _make_ui(tmp_path, "-n", "RUNS=build/mlflow/mlflow.db").stdout
    os.utime(tmp_path / "build/mlflow/mlflow.db", (2000, 2000))
    assert "sqlite:///build/mlflow/mlflow.db" in _make_ui(tmp_path, "-n").stdout


@pytest.mark.parametrize(
    ("target", "module"),
    [
        ("train", "pipelines.local"),
        ("audit", "k8s.audit"),
        ("replay", "k8s.replay"),
        ("verify", "k8s.lineage"),
    ],
)
def test_a_registry_elsewhere_is_asked_only_where_it_is_named(target: str, module: str, tmp_path: Path) -> None:
    program(tmp_path, "python", 'echo "$@"')
    command = ["make", "-o", "setup", target, f"PY={tmp_path / 'python'}", "VERSION=2"]
    for more, ending in ([], ""), (["MLFLOW=http://mlflow.example/$$(touch x)"], "--mlflow http://mlflow.example/$"):
        done = subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"-m {module} ")
        assert ("--mlflow" in done.stdout) is bool(more)
        assert ending in done.stdout


def test_a_setting_that_is_empty_is_refused_by_its_name() -> None:
    command = [str(ROOT / ".ci" / "require"), "MLFLOW", "REGISTRY"]
    settings = {"PATH": os.environ["PATH"], "MLFLOW": "http://mlflow.example", "REGISTRY": "registry.example/models"}
    assert subprocess.run(command, env=settings, check=False).returncode == 0
    done = subprocess.run(command, env=settings | {"MLFLOW": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("MLFLOW is empty; .github/workflows/README.md says")
    assert "REGISTRY" not in done.stderr


def test_every_module_that_make_starts_is_there() -> None:
    assert len(started(MAKEFILE)) > 5
    assert missing_modules(started(MAKEFILE)) == set()


def test_the_faults_in_the_readme_are_the_faults() -> None:
    rows = re.findall(r"^\| `([a-z-]+)`", README.partition("`make demo FAULT=...`")[2], re.MULTILINE)
    assert set(rows) == set(Fault.__args__)  # type: ignore[attr-defined]
    listed = re.search(r"FAULT=([a-z-]+(?:\|[a-z-]+)+)", MAKEFILE)
    assert listed
    assert set(listed[1].split("|")) == set(rows)


def test_links_in_documents_lead_somewhere() -> None:
    wrong = []
    for path, text in texts(".md"):
        links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
        wrong += [f"{path}: {link}" for link in links if not (ROOT / path.parent / link).exists()]
    assert wrong == []


def test_what_is_not_there_is_seen() -> None:
    assert commands("Run `make deom` or\n\n    make train SERVICE=x\n\n; makes sense, make sure") == {"deom", "train"}
    assert commands("make FAULT=none demo && make test") == {"demo", "test"}
    assert targets("a: b  ## does a\nc:\n\techo ## no\n") == {"a"}
    assert missing_modules({"components.spec.loading", "components.speck", "components"}) == {
        "components.speck",
        "components",
    }
