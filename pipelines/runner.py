"""Runs a graph on this machine with KFP's local runner, and watches its steps.

KFP's local runner prints much and returns little: a failed run says nothing of
what its finished steps wrote. So its one function that runs a step is wrapped
while a graph runs. Everything that it prints goes to a log file.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from kfp import local
from kfp.local import status
from kfp.local.orchestrator import task_executor

#: The last line of a traceback that ends in an error of ours, and what belongs to its message.
_ERROR = re.compile(r"^components\.errors\.(\w+): (.*?)(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
#: A line that a step itself printed: the runner indents it by four, KFP's executor prints JSON and its name.
_OWN = re.compile(r"^    (?!\[KFP Executor|[\s{}\[\]])(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class StepRun:
    """A step that ended.

    Attributes:
        reused: whether an earlier answer was taken.
        said: the last line that the step printed.
        outputs: parameters and KFP artifacts by name; empty when the step failed.
    """

    name: str
    seconds: float
    reused: bool
    succeeded: bool
    said: str
    outputs: Mapping[str, Any]


@dataclass
class StepFailure(Exception):  # noqa: N818 -- a failure is what it is
    """A step failed; `kind` is the error's class in `components.errors`, or "" for a fault of ours."""

    step: str
    kind: str
    message: str


@dataclass
class Watch:
    """What is known of the steps of one run."""

    log: TextIO
    tell: Callable[[str, StepRun | None], None]
    steps: list[StepRun] = field(default_factory=list)
    _text: io.StringIO = field(default_factory=io.StringIO)

    def write(self, text: str) -> int:
        """Takes what the runner prints; lets a `Watch` stand in for stdout."""
        self._text.write(text)
        return self.log.write(text)

    def flush(self) -> None:
        """As a text stream has it."""
        self.log.flush()

    def run(self, execute: Callable[..., Any], arguments: Mapping[str, Any]) -> tuple[dict[str, Any], status.Status]:
        """Runs one step as KFP would."""
        name = str(arguments["task_name"])
        self.tell(name, None)
        self._text = io.StringIO()
        begun = time.monotonic()
        outputs, ended = execute(**arguments)
        text = self._text.getvalue()
        succeeded = ended is status.Status.SUCCESS
        # The runner announces every step that it really runs, and is silent about the others.
        reused = succeeded and "Executing task" not in text
        said = "as before" if reused else _last_line(text)
        self.steps.append(StepRun(name, time.monotonic() - begun, reused, succeeded, said, outputs))
        self.tell(name, self.steps[-1])
        return outputs, ended

    @property
    def failure(self) -> StepFailure | None:
        """The step that failed, with its own message if it is an error of ours."""
        if not self.steps or self.steps[-1].succeeded:
            return None
        text = textwrap.dedent(self._text.getvalue().replace("\n    ", "\n"))
        found = _ERROR.findall(text)
        kind, message = found[-1] if found else ("", "\n".join(text.strip().splitlines()[-15:]))
        return StepFailure(self.steps[-1].name, kind, message.strip())


def _last_line(text: str) -> str:
    """The last line of a step's own; its outputs, which the runner lists in the end, are none."""
    own = _OWN.findall(text.split(" finished with status ", maxsplit=1)[0])
    return str(own[-1]).strip() if own else ""


def run_graph(graph: Any, arguments: Mapping[str, str], store: Path, watch: Watch) -> None:
    """Runs a graph; steps whose inputs and code are known are not run again.

    Args:
        graph: what `dsl.pipeline` makes.
        store: folder for outputs and answers that may be reused.

    Raises:
        Failure: a step failed.
    """
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(store / "runs"),
        workspace_root=str(store / "workspace"),
        raise_on_error=False,
        enable_caching=True,
        cache_root=str(store / "reuse"),
    )
    with _watched(watch), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph(**arguments)
    if watch.failure:
        raise watch.failure


@contextlib.contextmanager
def _watched(watch: Watch) -> Iterator[None]:
    execute, python = task_executor.execute_single_task, sys.executable
    task_executor.execute_single_task = lambda **arguments: watch.run(execute, arguments)
    # The runner pastes the interpreter's path into a shell command as it is.
    sys.executable = shlex.quote(python)
    try:
        with contextlib.redirect_stdout(watch):
            yield
    finally:
        task_executor.execute_single_task, sys.executable = execute, python


def forget_unused(store: Path) -> None:
    """Removes outputs of runs that no reusable answer names: leftovers of runs that were killed or are long over."""
    import shutil

    named = "".join(path.read_text(encoding="utf-8") for path in (store / "reuse").glob("*.json"))
    for folder in (store / "runs").glob("*/"):
        if str(folder) not in named:
            shutil.rmtree(folder)
