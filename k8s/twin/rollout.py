"""The loop that plays Flagger: it gives a new release traffic step by step, as long as the judge agrees.

`advance` is one turn of Flagger's `advanceCanary` (pkg/controller/scheduler.go), with the same
phases and the same webhooks in the same order. Three differences make it faster, but never more
lenient: it passes through phases that only wait for the next turn; it fails a canary at once
when its process keeps dying; and the rollout's own deadline ends it when the judge cannot be
reached.

Strategy `shadow-then-canary` takes the same turns: its canary keeps a weight of 0, and gets copies of requests, until
the judge says yes to the first. Shadow and canary have the spec's deadline each.

In a cluster, strategy `basic` is a Deployment's rolling update, without Flagger or the judge:
a version takes all traffic as soon as it is ready, and gets none if it never becomes ready.
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
_UNDECIDED = "undecided: "


@dataclass(frozen=True)
class DesiredRelease:
    """A release and the commit that requested it."""

    release: Release
    commit: str


@dataclass(frozen=True)
class FailedRelease:
    """A release that was taken back; `reason` is a sentence, `evidence` the judge's numbers."""

    wanted: DesiredRelease
    reason: str
    evidence: dict[str, Any]

    @property
    def undecided(self) -> bool:
        """Whether the deadline passed without a decision; the judge's reasons begin with its word."""
        return is_undecided(self.reason)


@dataclass(frozen=True)
class RolloutListener:
    """Callbacks for the end of a rollout and for changes of routing."""

    promoted: Callable[[Release], None] = lambda _release: None
    failed: Callable[[FailedRelease], None] = lambda _failure: None
    #: Called with champion, canary and the canary's weight whenever any of the three changes.
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
        """`spare_seconds` after the deadline the rollout ends by itself; normally the judge ends it, with evidence."""
        self.champion: RunningVersion | None = None
        self.canary: RunningVersion | None = None
        self.phase: Phase = "Initializing"
        self.weight = 0
        self.stop = threading.Event()
        self._at_once, self._shadow_first = settings.strategy == "basic", settings.shadow_first
        self._steps = weight_steps(settings)
        self._deadline_seconds, self._spare_seconds = settings.deadline_minutes * 60, spare_seconds
        self._versions, self._gateway = versions, gateway
        self._webhooks = webhooks.muted() if self._at_once else webhooks
        self._events, self._then = events, consequences
        self._wanted: DesiredRelease | None = None
        self._applied: Release | None = None
        self._deadline = 0.0

    def want(self, wanted: DesiredRelease) -> None:
        """Requests a release; the latest request wins."""
        self._wanted = wanted

    def advance(self) -> None:
        """Takes one turn.

        Raises:
            TwinError: the turn broke off; the next turn continues from there.
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
            self._applied = wanted.release  # as in Flagger: a return to the promoted release needs no rollout
        elif self.canary is not None:
            self._analyse(wanted, self.champion, self.canary)
        elif wanted.release != self._applied:
            begin = self._replace if self._at_once else self._begin
            begin(wanted)

    # --- the turns of a rollout --------------------------------------------------------

    def _initialise(self, wanted: DesiredRelease) -> None:
        """Gives the first release all traffic, as Flagger does: there is no champion to compare it with."""
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
        """Starts the release and gives it all traffic once it is ready; the champion answers until then."""
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
        self._set_deadline()
        self.canary = self._start(wanted)
        self._then.routed(self.champion, self.canary, 0)

    def _set_deadline(self) -> None:
        self._deadline = time.monotonic() + self._deadline_seconds + self._spare_seconds

    def _start(self, wanted: DesiredRelease) -> RunningVersion | None:
        """Starts the release; fails it and returns None when it does not become ready."""
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
        """The fault that ends a rollout whatever the judge says; empty when there is none."""
        if canary.process.restarts >= _MAX_RESTARTS:
            return f"its process ended {canary.process.restarts} times by itself"
        if time.monotonic() > self._deadline:
            return f"{_UNDECIDED}there was no decision within {self._deadline_seconds:g} s"
        return ""

    def _take_step(self, wanted: DesiredRelease, canary: RunningVersion) -> None:
        check: HookType = "pre-rollout" if self.weight == 0 else "rollout"
        if not (said := self._ask(check, canary.release)).yes:
            self._decide("wait", said.reason, {})
            return
        if self.phase != "WaitingPromotion":
            said = self._ask("confirm-traffic-increase", canary.release)
            # A yes at either end decides nothing: no evidence exists yet, unless the shadow gave some, or promotion is
            # the next question.
            judged = self.weight > 0 or self._shadow_first
            if not said.yes or (judged and self.weight < self._steps[-1]):
                self._decide("pass" if said.yes else "wait", said.reason, self._webhooks.verdict())
            if not said.yes:
                return
        if self.weight < self._steps[-1]:
            self._increase(canary)
        else:
            self._ask_for_promotion(wanted, canary)

    def _increase(self, canary: RunningVersion) -> None:
        if self.weight == 0:
            self._set_deadline()  # the time in the shadow is not the canary's
        self._route(next(step for step in self._steps if step > self.weight))
        self._tell(f"Advance {canary.release.service} canary weight {self.weight}", canary.release)

    def _ask_for_promotion(self, wanted: DesiredRelease, canary: RunningVersion) -> None:
        said = self._ask("confirm-promotion", canary.release)
        self._decide("pass" if said.yes else "wait", said.reason, self._webhooks.verdict(toward=100))
        if said.yes:
            self._promote(wanted, canary)
        elif self.phase != "WaitingPromotion":
            self._enter("WaitingPromotion", canary.release, "Waiting for promotion approval", warning=True)

    # --- the three ways a rollout ends -------------------------------------------------

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
        """Moves traffic away first; the rest can wait until callers are served well again."""
        at = self.weight
        self._route(0)
        self._decide("undecided" if failure.undecided else "fail", failure.reason, failure.evidence, weight=at)
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
        """Drops the canary for a newer release, whose analysis starts from nothing, as in Flagger."""
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
        """Stops a version of weight 0 once no request to it is in flight."""
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
        """Records a decision; `weight` is the canary's at that moment, by default its current weight."""
        version = self._wanted.release.version if self._wanted else ""
        at = self.weight if weight is None else weight
        facts = {"version": version, "weight": at, "phase": self.phase}
        self._events.emit("decision", **facts, verdict=verdict, reason=reason, evidence=evidence)


def is_undecided(reason: str) -> bool:
    """Whether the reason for an end is that the deadline passed without a decision."""
    return reason.startswith(_UNDECIDED)


def weight_steps(settings: contract.Rollout) -> list[int]:
    """The canary's successive weights, rising; the last is `max_weight`."""
    return [*range(settings.step_weight, settings.max_weight, settings.step_weight), settings.max_weight]
