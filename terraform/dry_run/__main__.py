"""Walks README's way to a cloud without a cloud: `python -m terraform.dry_run`.

The ten commands are those of the README's "Deploy to a cloud", run as they stand there in a copy of the tree. On the
PATH stand programs that answer as answers.yaml says, so that nothing outside the copy is touched and nothing costs.
Each command is printed with its calls: what each would touch, what it needs, and the page that says so. The exit
status is 1 if a command would fail.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

from terraform.dry_run.stand_in import VARIABLE

ROOT: Final = Path(__file__).resolve().parents[2]
#: What stands in; of openssl the real one is run.
PROGRAMS: Final = ("gcloud", "terraform", "kubectl", "helm", "docker", "cosign")
_SECONDS: Final = 120


@dataclass(frozen=True)
class WalkedStep:
    """One command after it was run: its calls, and why it failed; empty if it did not."""

    command: str
    calls: tuple[dict[str, Any], ...]
    fault: str = ""


class _Parsed(BaseException):
    """A program has read its arguments; no program catches this."""


class _ArgumentsError(BaseException):
    """The parser of one of our programs refuses its arguments."""


def commands(readme: str) -> list[str]:
    """The commands below README's "Deploy to a cloud"."""
    section = readme.partition("## Deploy to a cloud")[2].partition("\n## ")[0]
    return re.findall(r"^ {4}(\S.*)$", section, re.MULTILINE)


def exports(readme: str) -> list[str]:
    """The lines of terraform/README.md that choose names."""
    return re.findall(r"^ {4}(export \S.*)$", readme, re.MULTILINE)


def copy_tree(root: Path, folder: Path) -> None:
    """Copies the files that Git knows or would know, with environments that are up to date, and the token."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    for name in (".venv", ".venv-server"):
        (folder / name).mkdir()
        (folder / name / "ready").touch()


def walk(root: Path, place: Path) -> Iterator[WalkedStep]:
    """Runs each command in a copy of the tree below `place`; ends with the first that fails."""
    tree, noted = place / "tree", place / "noted"
    for folder in (tree, noted, place / "bin", place / "home"):
        folder.mkdir()
    copy_tree(root, tree)
    _write_programs(place / "bin")
    environment = {
        "PATH": f"{place / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(place / "home"),
        VARIABLE: str(noted),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(tree),
        "MAKEFLAGS": f"PY={place / 'bin' / 'python'}",
    }
    before = exports((root / "terraform" / "README.md").read_text(encoding="utf-8"))
    for command in commands((root / "README.md").read_text(encoding="utf-8")):
        step = _run(command, [*before, *_given_files(command)], tree, noted, environment)
        yield step
        if step.fault:
            return


def _given_files(command: str) -> list[str]:
    """Makes the files that a person has by then, such as a token: the command's own names are the shell's to read."""
    return [f"echo of-a-person > {path}" for path in re.findall(r"--from-file=\w+=(\S+)", command)]


def _write_programs(folder: Path) -> None:
    for name in (*PROGRAMS, "python"):
        path = folder / name
        path.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m terraform.dry_run.stand_in {name} "$@"\n', "utf-8"
        )
        path.chmod(0o755)


def _run(command: str, before: Sequence[str], tree: Path, noted: Path, environment: dict[str, str]) -> WalkedStep:
    (noted / "calls").write_text("", encoding="utf-8")
    script = "\n".join(["set -euo pipefail", *before, command])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tree, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    calls = [json.loads(line) for line in (noted / "calls").read_text(encoding="utf-8").splitlines()]
    faults = [call["fault"] for call in calls if call["fault"]]
    faults += [fault for call in calls if not call["fault"] and (fault := argument_fault(call["words"]))]
    if done.returncode and not faults:
        faults = [done.stderr.strip() or f"it ends with {done.returncode}"]
    return WalkedStep(command, tuple(calls), "; ".join(dict.fromkeys(faults)))


def argument_fault(words: Sequence[str]) -> str:
    """What the parser of one of our programs says against its arguments; empty for none, or for another program."""
    if words[0] != "python":
        return ""
    package = (ROOT / Path(*words[2].split("."))).is_dir()
    program = importlib.import_module(f"{words[2]}.__main__" if package else words[2]).main
    if not inspect.signature(program).parameters:
        return f"{words[2]} takes no arguments" if words[3:] else ""
    with mock.patch.multiple(argparse.ArgumentParser, error=_refuse, parse_args=_parse_only):
        try:
            program(list(words[3:]))
        except _Parsed:
            return ""
        except _ArgumentsError as refused:
            return f"{words[2]}: {refused}"
    return f"{words[2]} does not read its arguments by argparse"


def _refuse(_: argparse.ArgumentParser, message: str) -> None:
    raise _ArgumentsError(message)


def _parse_only(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """Reads the arguments as the program would, and goes no further."""
    _, unknown = parser.parse_known_args(words)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    raise _Parsed


def _say(number: int, step: WalkedStep) -> None:
    print(f"\n{number}. {step.command}")
    for call in step.calls:
        print(f"   {' '.join(call['words'])}")
        for name in ("touches", "needs", "source"):
            if call[name]:
                print(f"      {name}: {call[name]}")
    print(f"   would fail: {step.fault}" if step.fault else "   would succeed")


def main() -> int:
    """Prints each command as it was walked; returns 1 if one would fail."""
    count = len(commands((ROOT / "README.md").read_text(encoding="utf-8")))
    walked = 0
    with tempfile.TemporaryDirectory(prefix="canario-dry-run-") as place:
        for step in walk(ROOT, Path(place).resolve()):
            walked += 1
            _say(walked, step)
            if step.fault:
                return 1
    print(f"\n{walked} of {count} commands would succeed; nothing was touched")
    return 0 if walked == count > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
