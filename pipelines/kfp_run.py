"""Follows a run of Kubeflow Pipelines until it ends, and reports every change of a step's state."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

import kfp_server_api  # type: ignore[import-untyped]
import urllib3

from pipelines.pods import RETRIES
from pipelines.workflow_nodes import FAILED, REUSED, WAITING, StepState, read_nodes, step_states, was_ended

#: Time limit of one request, which the client takes in whole seconds only: it would wait for ever for a server that
#: hangs.
ASK_SECONDS: Final = 10
#: Statuses that waiting cannot change: wrong token, permission or run.
FINAL: Final = (400, 401, 403, 404)
_ENDED: Final = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
#: What a task of the newer API says where Argo has no phase of it.
_NO_STATE: Final = (None, "", "RUNTIME_STATE_UNSPECIFIED")
#: How long a step may wait until it is said what a person can do.
STUCK_SECONDS: Final = 300.0

_PULLED: Final = (
    "publish the image (make publish ENV=staging PART=components) where the cluster can pull it, or name another: "
    "IMAGE="
)
#: What a person can do about a pod that waits, by the first word of the reason.
_ADVICE: Final = {
    "Unschedulable": "no node takes the pod; add a node, or ask for less: resources.{step}.requests in the spec",
    "ErrImagePull": _PULLED,
    "ImagePullBackOff": _PULLED,
    "CreateContainerConfigError": "make the secret in the namespace of the run, with all keys that it names, or submit "
    "without it",
    "": "kubectl describe pod {pod} says more",
}


class FollowError(Exception):
    """The run's end was not seen; the message says why. The run itself may go on."""


@dataclass(frozen=True)
class RunEnd:
    """The end of a run: its state, the errors of its failed steps (none if it succeeded), and the reused steps."""

    state: str
    faults: tuple[str, ...]
    reused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pace:
    """The interval between looks at a run, the time limit, and when a wait is long, all in seconds."""

    poll_seconds: float
    timeout_seconds: float
    stuck_seconds: float = STUCK_SECONDS


@dataclass(frozen=True)
class RunLook:
    """What the server said at one moment: the run's state, whether it was ended by hand, and the steps' states."""

    state: str
    ended: bool
    steps: dict[str, StepState]
    error: str


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
        self._told: set[tuple[str, str]] = set()
        self._last: dict[str, tuple[str, str]] = {}
        self._since: dict[str, float] = {}
        self._states: dict[str, StepState] = {}
        self._lost = self._ended = False
        self._began = time.monotonic()

    def until_ended(self, pace: Pace) -> RunEnd:
        """Waits for the end of the run.

        Raises:
            FollowError: time is up, or the server refuses to show the run.
            KeyboardInterrupt: a person interrupted the wait.
        """
        while True:
            look = self._look()
            if look is not None:
                self._tell(look, pace.stuck_seconds)
                if look.state in _ENDED:
                    return self._end(look)
            if self._elapsed() + pace.poll_seconds > pace.timeout_seconds:
                raise FollowError(self._time_is_up(pace))
            if self._interrupted():
                raise KeyboardInterrupt
            time.sleep(pace.poll_seconds)

    def _look(self) -> RunLook | None:
        """The run's present state, or None while the server cannot be reached."""
        try:
            # Client.get_run takes no time limit; it calls this function.
            run = self._client._run_api.run_service_get_run(run_id=self._run_id, _request_timeout=ASK_SECONDS)
            manifest = self._manifest()
        except kfp_server_api.ApiException as error:
            if error.status in FINAL:
                raise FollowError(f"the server refuses to show the run ({error.status} {error.reason})") from error
            self._lose(f"{error.status} {error.reason}")
            return None
        except urllib3.exceptions.HTTPError as error:
            self._lose(type(error).__name__)
            return None
        if self._lost:
            self._say(f"{self._clock()}  the server answers again")
        self._lost = False
        self._ended = self._ended or run.state in ("CANCELING", "CANCELED") or was_ended(manifest or "")
        return RunLook(run.state or "PENDING", self._ended, self._steps_of(run, manifest), _error(run))

    def _steps_of(self, run: Any, manifest: str | None) -> dict[str, StepState]:
        if manifest is None:
            return self._states
        return step_states(read_nodes(manifest), self._steps) or _plain_states(run, self._steps)

    def _manifest(self) -> str | None:
        """Argo's workflow as text, from the older API; empty before the first report, or if the server has none.

        None if the older API has trouble that the newer one does not have: the run's state is known nevertheless.
        """
        try:
            answer = self._client._run_api.api_client.call_api(
                f"/apis/v1beta1/runs/{self._run_id}",
                "GET",
                header_params={"Accept": "application/json"},
                response_type="object",
                auth_settings=["Bearer"],
                _return_http_data_only=True,
                _request_timeout=ASK_SECONDS,
            )
        except kfp_server_api.ApiException as error:
            if error.status in (401, 403):
                raise
            self._once("", "why", f"this server does not say why steps wait or fail ({error.status}); its page does")
            return "" if error.status in (400, 404, 501) else None
        return str((answer.get("pipeline_runtime") or {}).get("workflow_manifest") or "")

    def _lose(self, why: str) -> None:
        if not self._lost:
            self._say(f"{self._clock()}  the server does not answer ({why}); the run goes on, waiting for it")
        self._lost = True

    def _tell(self, look: RunLook, stuck_seconds: float) -> None:
        if look.ended and look.state not in _ENDED:
            self._once("", "ended", "the run is being ended by hand")
        for step, state in look.steps.items():
            self._tell_tries(step, state)
            # The reason of such a failure is words of Kubeflow's for what a person did.
            stopped = look.ended and state.word == FAILED
            self._tell_state(step, replace(state, word="stopped", why="") if stopped else state)
            self._advise(step, state, stuck_seconds)
        self._states = look.steps or self._states

    def _tell_tries(self, step: str, state: StepState) -> None:
        for number, why in enumerate(state.lost, start=2):
            if number <= RETRIES + 1:
                self._once(step, f"try {number}", f"tried again ({number} of {RETRIES + 1}): {why}")

    def _tell_state(self, step: str, state: StepState) -> None:
        """Tells a new state, and of a wait each reason once: image pulls alternate between two."""
        now = (state.word, state.why)
        if self._last.get(step) == now or now == (WAITING, ""):
            return
        self._last[step] = now
        if state.word == WAITING:
            self._once(step, f"wait {len(state.lost)}: {state.why}", f"pending: {state.why}")
            return
        self._say(self._line(step, f"{state.word}: {state.why}" if state.why else state.word))

    def _advise(self, step: str, state: StepState, stuck_seconds: float) -> None:
        """Says once for each reason what to do about a long wait."""
        if state.word not in (WAITING, "starting"):
            self._since.pop(step, None)
            return
        if time.monotonic() - self._since.setdefault(step, time.monotonic()) >= stuck_seconds:
            kind = state.why.partition(":")[0]
            advice = _ADVICE.get(kind, _ADVICE[""]).format(step=step, pod=state.pod)
            self._once(step, f"advice {kind}", f"still waits after {stuck_seconds / 60:.0f} minutes: {advice}")

    def _once(self, step: str, key: str, sentence: str) -> None:
        if (step, key) not in self._told:
            self._told.add((step, key))
            self._say(self._line(step, sentence))

    def _line(self, step: str, sentence: str) -> str:
        return f"{self._clock()}  {step:<14} {sentence}" if step else f"{self._clock()}  {sentence}"

    def _end(self, look: RunLook) -> RunEnd:
        reused = tuple(step for step, state in self._states.items() if state.word == REUSED)
        if look.state == "SUCCEEDED":
            return RunEnd(look.state, (), reused)
        if look.ended:
            return RunEnd("CANCELED", ("it was ended by hand",), reused)
        failed = [(step, state) for step, state in self._states.items() if state.word == FAILED]
        told = tuple(f"{step}: {state.why}" for step, state in failed)
        return RunEnd(look.state, told or (look.error or f"the run is {look.state.lower()}",), reused)

    def _time_is_up(self, pace: Pace) -> str:
        last = "the server does not answer" if self._lost else "it has not ended"
        return f"waited for {pace.timeout_seconds:g} seconds and {last}"

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _clock(self) -> str:
        minutes, seconds = divmod(int(self._elapsed()), 60)
        return f"{minutes:>3}:{seconds:02d}"


def _plain_states(run: Any, steps: Collection[str]) -> dict[str, StepState]:
    """The steps' states without any reason, for a workflow that Argo keeps elsewhere or has not reported."""
    details = (run.run_details and run.run_details.task_details) or ()
    # A step that is never begun, after one that failed, has no state.
    known = [task for task in details if task.display_name in steps and task.state not in _NO_STATE]
    states = {task.display_name: task.state.lower() for task in known}
    return {step: StepState(word, "its log says why" if word == FAILED else "") for step, word in states.items()}


def _error(of: Any) -> str:
    return (of.error.message or "").strip() if of.error else ""
