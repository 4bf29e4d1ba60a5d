"""Every command that is written down somewhere is there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

import pytest

from k8s.twin.demo.faults import Fault
from tests.github.workflows import called, jobs, runs
from tests.programs import program
from tests.repo.makefile import FOR_PEOPLE, FOR_WORKFLOWS, MAKEFILE, targets
from tests.repo.tree import ROOT, modules, texts

README = (ROOT / "README.md").read_text(encoding="utf-8")


#: The longest explanation, and the widest line of the help, in characters.
LONGEST, WIDEST = 60, 110


@dataclass(frozen=True)
class Entry:
    """A target as `make help` lists it."""

    target: str
    heading: str
    explanation: str
    variables: str


def entries(makefile: str) -> list[Entry]:
    """The targets of a Makefile that have an explanation, each under the heading above it."""
    found, heading = [], ""
    for line in makefile.splitlines():
        if line.startswith("##@ "):
            heading = line.removeprefix("##@ ")
        elif match := re.match(r"([a-z][a-z0-9-]*):.*?  ## (.*)", line):
            explanation, _, variables = match[2].partition("  ## ")
            found.append(Entry(match[1], heading, explanation, variables))
    return found


def unfit(makefile: str) -> list[str]:
    """Targets that stand under no heading, or whose explanation is empty or too long."""
    return [
        entry.target
        for entry in entries(makefile)
        if not entry.heading or not 0 < len(entry.explanation.strip()) <= LONGEST
    ]


def named_outside_workflows() -> set[str]:
    """Targets that a document, a message or another target names; tests and what workflows consist of are left out."""
    named = set(re.findall(r"\$\(MAKE\) ([a-z-]+)", MAKEFILE))
    for path, text in texts():
        if path.parts[0] not in {".github", ".ci", "tests", "Makefile"}:
            named |= commands(text)
    return named


def told_to_people() -> set[str]:
    """Targets that people are told to call: by a program's message, or by a line of its own in a document."""
    told = set()
    for path, text in texts():
        if path.parts[0] in {".github", "tests"}:
            continue
        if path.suffix == ".py":
            told |= commands(text)
        elif path.suffix == ".md":
            told |= commands(re.sub(r"`[^`\n]*`", "", text))
    return told


def called_by_workflows() -> set[str]:
    """Targets that a step of a workflow calls."""
    return {target for _, job in jobs() for command in runs(job) for target in called(command)}


def misplaced(included: Set[str], wanted: Set[str], named: Set[str], told: Set[str]) -> set[str]:
    """Targets that stand in the wrong file.

    `included` stand in the workflows' file, `wanted` are called by workflows, `named` also elsewhere, and people are
    told to call those that are `told`.
    """
    return {*(wanted - named - included), *(included - wanted), *(included & told)}


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


def test_who_is_told_to_publish_is_told_for_whom() -> None:
    """Without ENV it would be `local`, for which nobody signs."""
    commands_of = re.compile(r"make [^`\n]*?\bpublish\b[^`\n]*")
    told = [(path, found) for path, text in texts() for found in commands_of.findall(text) if path.suffix != ".tf"]
    loose = [(path, one) for path, one in told if re.search(r"\b(PART|VERSION|SERVICE)=", one) and "ENV=" not in one]
    assert told
    assert loose == []


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
    for command, makefile in ("help", FOR_PEOPLE), ("help-workflows", FOR_WORKFLOWS):
        phony = set(re.findall(r"^\.PHONY: (\S+)", makefile, re.MULTILINE))
        assert phony == targets(makefile)
        assert set(re.findall(r"^  ([a-z][a-z0-9-]*) ", _make(command), re.MULTILINE)) == phony


def _make(*words: str) -> str:
    return subprocess.run(["make", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_target_has_a_heading_and_a_short_explanation() -> None:
    """Every target stands under a heading, with a short explanation."""
    assert unfit(MAKEFILE) == []
    assert len({entry.heading for entry in entries(MAKEFILE)}) > 10


@pytest.mark.parametrize(
    ("makefile", "wrong"),
    [
        (f"##@ A\na: b  ## {'x' * LONGEST}  ## [B=c]\n", []),
        (f"##@ A\na: b  ## {'x' * (LONGEST + 1)}\n", ["a"]),
        ("a:  ## does a\n##@ B\nb:  ## does b\n", ["a"]),
        ("##@ A\na:  ##   ## [B=c]\n", ["a"]),
    ],
)
def test_a_target_that_the_help_cannot_list_well_is_seen(makefile: str, wrong: list[str]) -> None:
    assert unfit(makefile) == wrong


@pytest.mark.parametrize(("command", "makefile"), [("help", FOR_PEOPLE), ("help-workflows", FOR_WORKFLOWS)])
def test_the_help_has_headings_and_columns_that_fit(command: str, makefile: str) -> None:
    """The help has headings, and explanations and variables in columns that fit."""
    listed = _make(command)
    assert max(map(len, listed.splitlines())) <= WIDEST
    for entry in entries(makefile):
        assert f"\n{entry.heading}\n" in listed
        assert re.search(rf"^  {entry.target} +{re.escape(entry.explanation)}(?:$| )", listed, re.MULTILINE)
        assert all(word in listed for word in entry.variables.split())


def test_variables_that_do_not_fit_go_on_below_each_other(tmp_path: Path) -> None:
    """Variables that do not fit go on below each other, and a value stays whole."""
    words = 'STORE=s3://... DATA=s3://... [EVIDENCE="--record"] [KEY=f]'
    (tmp_path / "Makefile").write_text(f"##@ A\nsixteenth-letter: b  ## {'x' * LONGEST}  ## {words}\n")
    done = subprocess.run(
        ["awk", "-f", ROOT / ".ci" / "help", tmp_path / "Makefile"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[2:] == [
        "A",
        f"  sixteenth-letter {'x' * LONGEST} STORE=s3://... DATA=s3://...",
        " " * 80 + '[EVIDENCE="--record"] [KEY=f]',
    ]


def test_only_what_workflows_call_stands_in_their_file() -> None:
    """Targets that only workflows call stand in their file, and no others do."""
    wanted, named, told = called_by_workflows(), named_outside_workflows(), told_to_people()
    assert {"merged", "tf-keep"} <= wanted - named
    assert {"tools", "request", "tf-apply"} <= wanted & told
    assert misplaced(targets(FOR_WORKFLOWS), wanted, named, told) == set()
    assert targets(FOR_WORKFLOWS).isdisjoint(targets(FOR_PEOPLE))


def test_a_target_in_the_wrong_file_is_seen() -> None:
    assert misplaced({"keep"}, {"keep", "test"}, {"test"}, set()) == set()
    assert misplaced(set(), {"keep", "test"}, {"test"}, set()) == {"keep"}
    assert misplaced({"keep", "lint"}, {"keep"}, set(), set()) == {"lint"}
    assert misplaced({"keep"}, {"keep"}, {"keep"}, {"keep"}) == {"keep"}


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
        assert f"-m {module} " in done.stdout
        assert ("--mlflow" in done.stdout) is bool(more)
        assert ending in done.stdout


@pytest.mark.parametrize("target", ["image", "sign", "publish", "propose", "request", "verify"])
def test_a_version_is_fetched_before_it_is_used(target: str) -> None:
    for more, fetched in ([], False), (["VERSION=3"], True):
        planned = _make("-n", "-o", "setup", target, "ENV=staging", "REPOSITORY=file:///r", *more)
        fetching = 'pipelines.fetch --spec services/churn/service.yaml --home build/train/churn --version "3"'
        assert (fetching in planned) is fetched


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
    listed = re.search(r"^  FAULT=.* ([a-z-]+(?:\|[a-z-]+)+)$", _make("help"), re.MULTILINE)
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
    assert missing_modules({"components.spec.reading.loading", "components.speck", "components"}) == {
        "components.speck",
        "components",
    }
