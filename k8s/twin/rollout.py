"""The loop that plays Flagger: a new release gets traffic step by step, as long as the judge says so.

`advance` is one turn of Flagger's `advanceCanary` (pkg/controller/scheduler.go): the same
phases, and the same webhooks in the same order. It differs in three points, all of them
faster and none of them more lenient: phases that wait for nothing but the next turn are
passed in one; a canary whose process keeps dying fails at once; and where the judge cannot
be reached, the rollout's own deadline ends it.

Strategy `basic` has no Flagger and no judge in a cluster, but a Deployment's rolling update:
a version that gets ready takes all traffic at once, one that does not never has any.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.errors import ReleaseError
from components.releases.release_file import Release
from components.spec import contract
from k8s.twin.errors import ProcessError
from k8s.twin.events import Events
from k8s.twin.gateway import Gateway
from k8s.twin.versions import RunningVersion, Versions
from k8s.twin.webhooks import HookType, Phase, Reply, Webhooks

_MAX_RESTARTS = 3


@dataclass(frozen=True)
class DesiredRelease:
    """A release and the commit that asked for it."""

    release: Release
    commit: str


@dataclass(frozen=True)
class FailedRelease:
    """Why a release was taken back: a sentence, and the judge's numbers."""

    wanted: DesiredRelease
    reason: str
    evidence: dict[str, Any]


@dataclass(frozen=True)
class RolloutListener:
    """What others do about the end of a rollout, and about who answers now."""

    promoted: Callable[[Release], None] = lambda _release: None
    failed: Callable[[FailedRelease], None] = lambda _failure: None
    #: Called with champion and canary whenever one changes, and the canary's weight whenever it does.
    routed: Callable[[RunningVersion | None, RunningVersion | None, int], None] = lambda _champion, _canary, _weight: (
        None
    )


class RolloutLoop:
    """One service's champion and canary. `want` may be called from any thread, the rest from one."""

    def __init__(
        self,
        settings: contract.Rollout,
        versions: Versions,
        gateway: Gateway,
        webhooks: Webhooks,
        events: Events,
        consequences: RolloutListener,
        spare_seconds: float = 5.0,
    ) -> None:
        """The judge calls the deadline, with its evidence; `spare_seconds` later the rollout does without it."""
        self.champion: RunningVersion | None = None
        self.canary: RunningVersion | None = None
        self.phase: Phase = "Initializing"
        self.weight = 0
        self.stop = threading.Event()
        self._at_once = settings.strategy == "basic"
        self._steps = weight_steps(settings)
        self._deadline_seconds, self._spare_seconds = settings.deadline_minutes * 60, spare_seconds
        self._versions, self._gateway = versions, gateway
        self._webhooks = webhooks.muted() if self._at_once else webhooks
        self._events, self._then = events, consequences
        self._wanted: DesiredRelease | None = None
        self._applied: Release | None = None
        self._deadline = 0.0

    def want(self, wanted: DesiredRelease) -> None:
        """Asks for a release; the latest wins."""
        self._wanted = wanted

    def advance(self) -> None:
        """One turn.

        Raises:
            TwinError: something went wrong in between; the next turn takes it up again.
        """
        wanted = self._wanted
        if wanted is None:
            return
        if self.champion is None:
            if self._applied != wanted.release:
                self._initialise(wanted)
            return
        if self.canary is not None and self.canary.release != wanted.release:
            self._withdraw()
        if wanted.release == self.champion.release:
            self._applied = wanted.release  # as Flagger: going back to what was promoted is no rollout
        elif self.canary is not None:
            self._analyse(wanted, self.champion, self.canary)
        elif wanted.release != self._applied:
            begin = self._replace if self._at_once else self._begin
            begin(wanted)

    # --- the turns of a rollout --------------------------------------------------------

    def _initialise(self, wanted: DesiredRelease) -> None:
        """The first release has nobody to be compared with and gets everything, as with Flagger."""
        self._enter("Initializing", wanted.release)
        started = self._start(wanted)
        if started is None:
            return
        self._gateway.set_weights({started.url: 100})
        self.champion = started
        self._then.routed(started, None, 0)
        self._events.emit(
            "weight", version=wanted.release.version, weight=100, phase=self.phase, reason="first release"
        )
        self._enter("Initialized", wanted.release, f"Initialization done! {wanted.release.service}")
        self._then.promoted(wanted.release)
        self._end(wanted.release)

    def _replace(self, wanted: DesiredRelease) -> None:
        """Starts the release and gives it everything once it is ready; the champion answers until then."""
        self._enter("Progressing", wanted.release, f"New revision detected! Scaling up {wanted.release.service}")
        started = self._start(wanted)
        if started is not None:
            self._promote(wanted, started)

    def _begin(self, wanted: DesiredRelease) -> None:
        """Starts the canary without traffic; the next turn is the first to judge it."""
        if not self._ask("confirm-rollout", wanted.release).yes:
            if self.phase != "Waiting":
                self._enter("Waiting", wanted.release, "Waiting for approval", warning=True)
            return
        self._enter("Progressing", wanted.release, f"New revision detected! Scaling up {wanted.release.service}")
        self._deadline = time.monotonic() + self._deadline_seconds + self._spare_seconds
        self.canary = self._start(wanted)
        self._then.routed(self.champion, self.canary, 0)

    def _start(self, wanted: DesiredRelease) -> RunningVersion | None:
        """The release as a running version; None when it does not get ready, which fails it."""
        release = wanted.release
        self._events.emit("starting", version=release.version, phase=self.phase, reason=f"package {release.package}")
        self._applied = release
        try:
            return self._versions.start(release, self.stop)
        except (ProcessError, ReleaseError) as error:
            if self.stop.is_set():
                raise
            self._fail(FailedRelease(wanted, str(error), {}))
            return None

    def _analyse(self, wanted: DesiredRelease, champion: RunningVersion, canary: RunningVersion) -> None:
        if fault := self._fault_of(canary):
            self._roll_back(FailedRelease(wanted, fault, self._webhooks.verdict()))
        elif not (champion.process.ready and canary.process.ready):
            self._decide("wait", "a version is not ready", {})
        elif (said := self._ask("rollback", canary.release)).yes:
            self._roll_back(FailedRelease(wanted, said.reason, self._webhooks.verdict()))
        else:
            self._take_step(wanted, canary)

    def _fault_of(self, canary: RunningVersion) -> str:
        """What ends a rollout whatever the judge says; empty for nothing."""
        if canary.process.restarts >= _MAX_RESTARTS:
            return f"its process ended {canary.process.restarts} times by itself"
        if time.monotonic() > self._deadline:
            return f"there was no decision within {self._deadline_seconds:g} s"
        return ""

    def _take_step(self, wanted: DesiredRelease, canary: RunningVersion) -> None:
        check: HookType = "pre-rollout" if self.weight == 0 else "rollout"
        if not (said := self._ask(check, canary.release)).yes:
            self._decide("wait", said.reason, {})
            return
        if self.phase != "WaitingPromotion":
            said = self._ask("confirm-traffic-increase", canary.release)
            # A yes at either end is no decision: nothing was seen yet, or the promotion is asked for next.
            if not said.yes or 0 < self.weight < self._steps[-1]:
                self._decide("pass" if said.yes else "wait", said.reason, self._webhooks.verdict())
            if not said.yes:
                return
        if self.weight < self._steps[-1]:
            self._increase(canary)
        else:
            self._ask_for_promotion(wanted, canary)

    def _increase(self, canary: RunningVersion) -> None:
        self._route(next(step for step in self._steps if step > self.weight))
        self._tell(f"Advance {canary.release.service} canary weight {self.weight}", canary.release)

    def _ask_for_promotion(self, wanted: DesiredRelease, canary: RunningVersion) -> None:
        said = self._ask("confirm-promotion", canary.release)
        self._decide("pass" if said.yes else "wait", said.reason, self._webhooks.verdict(toward=100))
        if said.yes:
            self._promote(wanted, canary)
        elif self.phase != "WaitingPromotion":
            self._enter("WaitingPromotion", canary.release, "Waiting for promotion approval", warning=True)

    # --- the three ways in which it ends -----------------------------------------------

    def _promote(self, wanted: DesiredRelease, canary: RunningVersion) -> None:
        self._enter("Promoting", canary.release, "Routing all traffic to the promoted version")
        self._gateway.set_weights({canary.url: 100})
        old, self.champion, self.canary, self.weight = self.champion, canary, None, 0
        self._then.routed(canary, None, 0)
        self._events.emit("weight", version=canary.release.version, weight=100, phase=self.phase)
        self._enter("Finalising", canary.release)
        if old is not None:
            self._retire(old)
        self._enter("Succeeded", canary.release, "Promotion completed!")
        self._then.promoted(wanted.release)
        self._ask("post-rollout", canary.release)
        self._end(wanted.release)

    def _roll_back(self, failure: FailedRelease) -> None:
        """Traffic first; everything else can wait until callers are served well again."""
        at = self.weight
        self._route(0)
        self._decide("fail", failure.reason, failure.evidence, weight=at)
        canary, self.canary = self.canary, None
        if canary is not None:
            self._retire(canary)
        self._then.routed(self.champion, None, 0)
        self._fail(failure)

    def _fail(self, failure: FailedRelease) -> None:
        release = failure.wanted.release
        self._enter("Failed", release, "Canary failed! Scaling down", warning=True, reason=failure.reason)
        self._then.failed(failure)
        self._ask("post-rollout", release)
        self._end(release, failure.reason, failure.evidence)

    def _withdraw(self) -> None:
        """A newer release replaces the canary: its analysis starts again from nothing, as with Flagger."""
        canary = self.canary
        if canary is None:
            return
        self._route(0)
        self._tell("New revision detected! Restarting analysis", canary.release)
        self.canary = None
        self._retire(canary)
        self._then.routed(self.champion, None, 0)
        self._end(canary.release, "replaced by a newer commit")

    # --- the parts of a turn -------------------------------------------------------------

    def _route(self, weight: int) -> None:
        champion, canary = self.champion, self.canary
        if champion is None or canary is None:
            return
        self._gateway.set_weights({champion.url: 100 - weight, canary.url: weight})
        self.weight = weight
        self._then.routed(champion, canary, weight)
        self._events.emit("weight", version=canary.release.version, weight=weight, phase=self.phase)

    def _retire(self, version: RunningVersion) -> None:
        """Stops a version without weight, once no request is under way to it."""
        if not self._gateway.wait_drained(version.url, self.stop) and not self.stop.is_set():
            message = "requests were still under way when it was told to stop"
            self._events.emit("error", version=version.release.version, reason=message)
        self._versions.stop(version)

    def _ask(self, hook: HookType, release: Release) -> Reply:
        return self._webhooks.ask(hook, release, self.phase)

    def _tell(self, message: str, release: Release, *, warning: bool = False) -> None:
        self._webhooks.tell(message, release, self.phase, warning=warning)

    def _enter(
        self, phase: Phase, release: Release, message: str = "", *, warning: bool = False, reason: str = ""
    ) -> None:
        self.phase = phase
        self._events.emit("phase", version=release.version, weight=self.weight, phase=phase, reason=reason or message)
        if message:
            self._tell(message, release, warning=warning)

    def _end(self, release: Release, reason: str = "", evidence: dict[str, Any] | None = None) -> None:
        facts = {"version": release.version, "phase": self.phase, "reason": reason}
        self._events.emit("ended", **facts, evidence={**(evidence or {}), "package": release.package})

    def _decide(self, verdict: str, reason: str, evidence: dict[str, Any], weight: int | None = None) -> None:
        """Records what the rollout acts on; `weight` is the canary's at that moment."""
        version = self._wanted.release.version if self._wanted else ""
        at = self.weight if weight is None else weight
        facts = {"version": version, "weight": at, "phase": self.phase}
        self._events.emit("decision", **facts, verdict=verdict, reason=reason, evidence=evidence)


def weight_steps(settings: contract.Rollout) -> list[int]:
    """The canary's weights one after the other, rising; the last is never above `max_weight`."""
    return [*range(settings.step_weight, settings.max_weight, settings.step_weight), settings.max_weight]
