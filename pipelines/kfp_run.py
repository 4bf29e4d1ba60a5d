"""Follows a run of Kubeflow Pipelines until it ends, and reports every change of a step's state."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import kfp_server_api  # type: ignore[import-untyped]
import urllib3

#: Time limit of one request: the client itself would wait for ever for a server that hangs.
ASK_SECONDS: Final = 10
#: Statuses that waiting cannot change: wrong token, permission or run.
_FINAL: Final = (400, 401, 403, 404)
_ENDED: Final = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")


class FollowError(Exception):
    """The run's end was not seen; the message says why. The run itself may go on."""


@dataclass(frozen=True)
class RunEnd:
    """The end of a run: its state, and the errors of its failed steps; none if it succeeded."""

    state: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Pace:
    """The interval between looks at a run and the time limit, both in seconds."""

    poll_seconds: float
    timeout_seconds: float


class Follower:
    """Polls one run and reports its changes."""

    def __init__(
        self,
        client: Any,
        run_id: str,
        steps: Collection[str],
        say: Callable[[str], None],
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        """`interrupted` is called before each wait: a KeyboardInterrupt may be lost in a library's destructor."""
        self._client, self._run_id, self._steps, self._say = client, run_id, steps, say
        self._interrupted = interrupted
        self._seen: dict[str, str] = {}
        self._lost = False
        self._began = time.monotonic()

    def until_ended(self, pace: Pace) -> RunEnd:
        """Waits for the end of the run.

        Raises:
            FollowError: time is up, or the server refuses to show the run.
            KeyboardInterrupt: a person interrupted the wait.
        """
        while True:
            run = self._look()
            if run is not None:
                self._tell(run)
                if run.state in _ENDED:
                    return RunEnd(run.state, faults(run, self._steps))
            if self._elapsed() + pace.poll_seconds > pace.timeout_seconds:
                raise FollowError(self._time_is_up(pace))
            if self._interrupted():
                raise KeyboardInterrupt
            time.sleep(pace.poll_seconds)

    def _look(self) -> Any:
        """The run's present state, or None while the server cannot be reached."""
        try:
            # Client.get_run takes no time limit; it calls this function.
            run = self._client._run_api.run_service_get_run(run_id=self._run_id, _request_timeout=ASK_SECONDS)
        except kfp_server_api.ApiException as error:
            if error.status in _FINAL:
                raise FollowError(f"the server refuses to show the run ({error.status} {error.reason})") from error
            return self._lose(f"{error.status} {error.reason}")
        except urllib3.exceptions.HTTPError as error:
            return self._lose(type(error).__name__)
        if self._lost:
            self._say(f"{self._clock()}  the server answers again")
        self._lost = False
        return run

    def _lose(self, why: str) -> None:
        if not self._lost:
            self._say(f"{self._clock()}  the server does not answer ({why}); the run goes on, waiting for it")
        self._lost = True

    def _tell(self, run: Any) -> None:
        for task in _tasks(run):
            state = task.state or "PENDING"
            if task.display_name in self._steps and self._seen.get(task.display_name) != state:
                self._seen[task.display_name] = state
                self._say(f"{self._clock()}  {task.display_name:<14} {state.lower()}")

    def _time_is_up(self, pace: Pace) -> str:
        last = "the server does not answer" if self._lost else "it has not ended"
        return f"waited for {pace.timeout_seconds:g} seconds and {last}"

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _clock(self) -> str:
        minutes, seconds = divmod(int(self._elapsed()), 60)
        return f"{minutes:>3}:{seconds:02d}"


def faults(run: Any, steps: Collection[str]) -> tuple[str, ...]:
    """`step: error` for each failed step; if no step failed, the run's own error or state."""
    if run.state == "SUCCEEDED":
        return ()
    failed = [task for task in _tasks(run) if task.state == "FAILED"]
    named = [task for task in failed if task.display_name in steps] or failed
    told = tuple(f"{task.display_name}: {_error(task) or _inner(task, failed) or _error(run) or '-'}" for task in named)
    return told or (_error(run) or f"the run is {run.state.lower()}",)


def _inner(task: Any, failed: list[Any]) -> str:
    """The error of the pod inside a step; the server lists the pod as a task whose parent is the step."""
    return next((_error(other) for other in failed if other.parent_task_id == task.task_id and _error(other)), "")


def _error(of: Any) -> str:
    return (of.error.message or "").strip() if of.error else ""


def _tasks(run: Any) -> list[Any]:
    return list((run.run_details and run.run_details.task_details) or ())
