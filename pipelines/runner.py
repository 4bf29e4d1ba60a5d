"""Runs a graph on this machine with KFP's local runner, and watches its steps.

KFP's local runner prints much and returns little: a failed run does not return the
outputs of its finished steps. While a graph runs, the runner's function that runs a
step is therefore wrapped, and everything it prints goes to a log file.
"""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from kfp import local
from kfp.local import status
from kfp.local.orchestrator import task_executor

#: The folder, inside a work folder, of what the steps write.
RUNS: Final = "runs"
#: The last line of a traceback that ends in one of the project's errors, with the rest of its message.
_ERROR = re.compile(r"^components\.errors\.(\w+): (.*?)(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)
#: A line that a step itself printed: the runner indents it by four, KFP's executor prints JSON and its name.
_OWN = re.compile(r"^    (?!\[KFP Executor|[\s{}\[\]])(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class StepRun:
    """A step that ended.

    Attributes:
        reused: whether an earlier answer was used.
        said: the last line that the step printed.
        outputs: parameters and KFP artifacts by name; empty if the step failed.
    """

    name: str
    seconds: float
    reused: bool
    succeeded: bool
    said: str
    outputs: Mapping[str, Any]


@dataclass
class StepFailure(Exception):  # noqa: N818 -- a failure is what it is
    """A step failed; `kind` is the error's class in `components.errors`, or "" for an unexpected error."""

    step: str
    kind: str
    message: str


class MovedArtifactError(Exception):
    """A step moved an output artifact out of the run's root, which Kubeflow refuses."""


@dataclass
class Watch:
    """Watches the steps of one run."""

    log: TextIO
    tell: Callable[[str, StepRun | None], None]
    root: Path
    steps: list[StepRun] = field(default_factory=list)
    _text: io.StringIO = field(default_factory=io.StringIO)

    def write(self, text: str) -> int:
        """Logs the runner's output; lets a `Watch` stand in for stdout."""
        self._text.write(text)
        return self.log.write(text)

    def flush(self) -> None:
        """Flushes the log, as a text stream does."""
        self.log.flush()

    def run(self, execute: Callable[..., Any], arguments: Mapping[str, Any]) -> tuple[dict[str, Any], status.Status]:
        """Runs one step as KFP would, and records it."""
        name = str(arguments["task_name"])
        self.tell(name, None)
        self._text = io.StringIO()
        begun = time.monotonic()
        outputs, ended = execute(**arguments)
        self._refuse_moved(outputs)
        text = self._text.getvalue()
        succeeded = ended is status.Status.SUCCESS
        # The runner announces every step that it really runs, but no reused step.
        reused = succeeded and "Executing task" not in text
        said = "as before" if reused else _last_line(text)
        self.steps.append(StepRun(name, time.monotonic() - begun, reused, succeeded, said, outputs))
        self.tell(name, self.steps[-1])
        return outputs, ended

    def _refuse_moved(self, outputs: Mapping[str, Any]) -> None:
        """Refuses an artifact outside the run's root, as Kubeflow's launcher does; KFP's local runner takes it.

        The launcher uploads what lies at an artifact's `.path`, and so lets no step set `.uri` to another place.
        """
        for name, output in outputs.items():
            uri = getattr(output, "uri", None)
            if uri is not None and not str(uri).startswith(str(self.root)):
                raise MovedArtifactError(f"output {name}: URI {uri} does not have expected prefix {self.root}")

    @property
    def failure(self) -> StepFailure | None:
        """The step that failed, with its own message if it raised one of the project's errors."""
        if not self.steps or self.steps[-1].succeeded:
            return None
        text = textwrap.dedent(self._text.getvalue().replace("\n    ", "\n"))
        found = _ERROR.findall(text)
        kind, message = found[-1] if found else ("", "\n".join(text.strip().splitlines()[-15:]))
        return StepFailure(self.steps[-1].name, kind, message.strip())


def _last_line(text: str) -> str:
    """The last line that the step itself printed, before the runner's list of outputs."""
    own = _OWN.findall(text.split(" finished with status ", maxsplit=1)[0])
    return str(own[-1]).strip() if own else ""


def run_graph(graph: Any, arguments: Mapping[str, str], work: Path, watch: Watch) -> None:
    """Runs a graph; a step with known inputs and code does not run again.

    Args:
        graph: a result of `dsl.pipeline`.
        work: folder for outputs and reusable answers.

    Raises:
        StepFailure: a step failed.
    """
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(watch.root),
        workspace_root=str(work / "workspace"),
        raise_on_error=False,
        enable_caching=True,
        cache_root=str(work / "reuse"),
    )
    with _watched(watch), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph(**arguments)
    if watch.failure:
        raise watch.failure


@contextlib.contextmanager
def _watched(watch: Watch) -> Iterator[None]:
    execute = task_executor.execute_single_task
    task_executor.execute_single_task = lambda **arguments: watch.run(execute, arguments)
    try:
        with contextlib.redirect_stdout(watch):
            yield
    finally:
        task_executor.execute_single_task = execute


def forget_unused(work: Path) -> None:
    """Removes outputs that no reusable answer names, left over from runs that were killed or are long over."""
    import shutil

    named = "".join(path.read_text(encoding="utf-8") for path in (work / "reuse").glob("*.json"))
    for folder in (work / RUNS).glob("*/"):
        if str(folder) not in named:
            shutil.rmtree(folder)
