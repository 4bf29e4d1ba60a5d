"""Stands in for a program of the ten commands: `python -m terraform.dry_run.stand_in NAME [ARGUMENT ...]`.

It does nothing but note what it was asked, in a folder that the walk names, and answers as answers.yaml says that the
real program does: it refuses what it does not know, and what nothing before has made possible.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from terraform.dry_run import cloud

ANSWERS: Final = Path(__file__).with_name("answers.yaml")
VARIABLE: Final = "CANARIO_DRY_RUN"


@dataclass(frozen=True)
class DryCall:
    """One call: its words, the answer's own words about it, and the fault that it ended with, if it should not have."""

    words: tuple[str, ...]
    touches: str = ""
    needs: str = ""
    source: str = ""
    fault: str = ""


class CallRefusedError(Exception):
    """The real program would refuse the call; the message says why."""


@dataclass(frozen=True)
class CallGiven:
    """The arguments of a call, and its flags with their values; a flag without one is empty."""

    arguments: tuple[str, ...]
    flags: dict[str, str] = field(default_factory=dict)

    def filled(self, text: str, more: dict[str, str]) -> str | None:
        """A text of an answer with this call's values in it; None if it names one that is not there."""
        values = {str(number): value for number, value in enumerate(self.arguments, 1)} | self.flags | more
        names = re.findall(r"\{([^}]+)\}", text)
        if any(not values.get(name) for name in names):
            return None
        return re.sub(r"\{([^}]+)\}", lambda found: values[found[1]], text)

    def facts(self, texts: Sequence[str], more: dict[str, str]) -> Iterator[str]:
        """The facts of an answer; {each} stands for every argument in turn."""
        for text in texts:
            each = self.arguments if "{each}" in text else ("",)
            yield from (fact for one in each if (fact := self.filled(text, {**more, "each": one})))


def read_answers() -> dict[str, Any]:
    """The file of answers."""
    answers: dict[str, Any] = yaml.safe_load(ANSWERS.read_text(encoding="utf-8"))
    return answers


def find(answers: dict[str, Any], words: Sequence[str]) -> tuple[dict[str, Any], CallGiven]:
    """The answer to a call, and the call's arguments.

    Raises:
        CallRefusedError: no answer is written for the call, or it has a flag that the program does not know.
    """
    common = answers["everywhere"].get(words[0], {}).get("flags", {})
    plain = _plain(words, common)
    fitting = [one for one in answers["calls"] if plain[: len(one["call"].split())] == one["call"].split()]
    if not fitting:
        raise CallRefusedError(
            f"no answer is written for `{' '.join(words)}`; write one into {ANSWERS.name}, with its source"
        )
    answer = max(fitting, key=lambda one: len(one["call"]))
    given = _read(list(words), {**common, **answer.get("flags", {})})
    arguments = given.arguments[len(answer["call"].split()) :]
    if missing := [flag for flag in answer.get("must", ()) if flag not in given.flags]:
        raise CallRefusedError(
            f"`{answer['call']}` without {', '.join(missing)} takes whatever this machine's settings say"
        )
    return answer, CallGiven(arguments, given.flags)


def _plain(words: Sequence[str], common: dict[str, str]) -> list[str]:
    """The words without flags, as far as the flags before a subcommand are known."""
    skipped = {place + 1 for place, word in enumerate(words) if common.get(word) == "value"}
    return [word for place, word in enumerate(words) if place not in skipped and not word.startswith("-")]


def _read(words: list[str], known: dict[str, str]) -> CallGiven:
    arguments: list[str] = []
    flags: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name, has_value, value = word.partition("=")
        if not word.startswith("-") or word == "-":
            arguments.append(word)
        elif name not in known:
            raise CallRefusedError(f"unrecognized arguments: {name}")
        elif known[name] == "value" and not has_value and not words:
            raise CallRefusedError(f"argument {name}: expected one argument")
        else:
            flags[name] = value if has_value else words.pop(0) if known[name] == "value" else ""
    return CallGiven(tuple(arguments), flags)


def answer_call(project: cloud.EmptyProject, words: Sequence[str], say: Callable[[str], None]) -> tuple[int, DryCall]:
    """Answers one call in a project; returns the exit status, and what is to be told of the call."""
    if words[0] == "python":
        return _program(project, words)
    try:
        answer, given = find(project.answers, words)
        more = project.names(given.flags)
        told = DryCall(tuple(words), given.filled(answer["touches"], more) or "", answer["needs"], answer["source"])
        if any(fact not in project.facts for fact in given.facts(answer.get("fails_without", ()), more)):
            return 1, told
        _check(project, given, answer, more)
    except (CallRefusedError, cloud.CloudRefusalError) as error:
        return 1, DryCall(tuple(words), fault=str(error))
    project.facts.update(given.facts(answer.get("gives", ()), more))
    output = answer.get("prints")
    if output and given.filled(output.get("if", ""), more) in (*project.facts, ""):
        say(given.filled(output["text"], more) or "")
    if does := answer.get("does"):
        say(project.outputs() if does == "output" else "")
    return 0, told


def _check(project: cloud.EmptyProject, given: CallGiven, answer: dict[str, Any], more: dict[str, str]) -> None:
    missing = [fact for fact in given.facts(answer.get("wants", ()), more) if fact not in project.facts]
    if missing:
        raise CallRefusedError(f"it wants {', '.join(missing)}, and no command before brings that")
    if does := answer.get("does"):
        project.do(does, given.flags)


def _program(project: cloud.EmptyProject, words: Sequence[str]) -> tuple[int, DryCall]:
    """One of our own programs: noted, and run only where its answer says so."""
    module, arguments = words[2], list(words[3:])
    answer = project.answers["programs"].get(module)
    if words[1] != "-m" or answer is None:
        return 1, DryCall(tuple(words), fault=f"no answer is written for {' '.join(words[:3])}")
    given = CallGiven((), dict(zip(arguments[::2], arguments[1::2], strict=False)))
    more = project.names(given.flags)
    told = DryCall(tuple(words), given.filled(answer["touches"], more) or "", given.filled(answer["needs"], more) or "")
    missing = [fact for fact in given.facts(answer.get("wants", ()), more) if fact not in project.facts]
    if missing:
        return 1, DryCall(tuple(words), fault=f"it wants {', '.join(missing)}, and no command before brings that")
    if answer.get("runs"):
        return subprocess.run([sys.executable, *words[1:]], check=False).returncode, told
    project.facts.update(given.facts(answer.get("gives", ()), more))
    return 0, told


def main() -> int:
    """Answers the call of the command line."""
    folder, words = Path(os.environ[VARIABLE]), sys.argv[1:]
    project = cloud.EmptyProject.read(folder, Path.cwd(), read_answers())
    status, called = answer_call(project, words, lambda line: print(line) if line else None)
    if called.fault:
        print(f"ERROR: ({' '.join(words[:3])}) {called.fault}", file=sys.stderr)
    with (folder / "calls").open("a", encoding="utf-8") as calls:
        calls.write(f"{json.dumps(asdict(called))}\n")
    # A program that was run has called others, which brought facts of their own.
    project.facts |= cloud.EmptyProject.read(folder, project.tree, project.answers).facts
    project.write(folder)
    return status


if __name__ == "__main__":
    sys.exit(main())
