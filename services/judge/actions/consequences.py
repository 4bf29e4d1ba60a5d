"""Carries out what follows from an answer: Events, the revert in Git, the champion's alias in MLflow."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from components.errors import ComponentError
from components.releases.canary_status import WAITING_PROMOTION, status_of, stickiness
from components.releases.environment_repository import EnvironmentRepository
from components.releases.rollback import Rollback, undo_release
from services.judge.actions.kubernetes import KubernetesApi, Notice
from services.judge.actions.mlflow_alias import Registry
from services.judge.actions.revert_reason import revert_reason
from services.judge.errors import KubernetesError, RegistryError, UnregisteredError
from services.judge.judge import Judge, UnknownSubjectError
from services.judge.log import log
from services.judge.rollout_end import RolloutEnd, rollout_end
from services.judge.verdict import ENDS
from services.judge.webhook import Subject, WebhookPayload, WebhookPayloadError

#: Waits between tries to reach the environment repository.
_PAUSES_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0)
_MOST_UNDER_WAY = 100
_PATIENCE_SECONDS = 10.0
#: Waits before each check that the Canary's own status says so: Flagger calls the webhook first and writes it later.
_CONFIRM_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
#: Time between two searches for rollouts whose end was not reported.
_LOOK_SECONDS = 60.0

Sleep = Callable[[float], Awaitable[None]]


class Consequences:
    """Runs every consequence in its own task, so that no answer waits."""

    def __init__(
        self,
        judge: Judge,
        cluster: KubernetesApi | None = None,
        environment: EnvironmentRepository | None = None,
        namespaces: Iterable[str] = (),
        registry: Registry | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Without a cluster there are no Events, without an environment no reverts, without a registry no alias.

        `namespaces` are searched for rollouts whose end was not reported to a judge.
        """
        self._judge, self._cluster, self._environment, self._sleep = judge, cluster, environment, sleep
        self._registry = registry
        self._namespaces = tuple(namespaces)
        self._applied: dict[Subject, str] = {}
        self._noticed: set[str] = set()
        self._under_way: set[asyncio.Task[object]] = set()

    def on_verdict(self, subject: Subject, record: dict[str, Any]) -> None:
        """Writes one Event for each verdict and reason at each weight of a rollout."""
        word, reason = record["verdict"], record["reason"]
        about = (
            subject,
            self._judge.began(subject),
            record["version"],
            record["weight"],
            word,
            _without_numbers(reason),
        )
        bad = word in ENDS or bool(self._judge.problems(subject))
        self._notice(subject, Notice(f"Judge{word.capitalize()}", reason, _digest(about), warning=bad))

    async def unread_weight(self, subject: Subject, weight: float) -> str:
        """A sentence unless the Canary itself says that this is its weight; empty without a cluster to ask.

        A weight is scraped now and then. Another replica of the judge may have let it rise since it was read here.
        A weight that callers do not get one request at a time is none, either.
        """
        if self._cluster is None:
            return ""
        try:
            canary = await self._cluster.canary(subject)
        except KubernetesError as error:
            return f"nobody says whether the canary still has {weight:g} %: {error}"
        if sticky := stickiness(canary):
            return sticky
        status = status_of(canary)
        if status.phase == WAITING_PROMOTION:
            return ""  # Flagger leaves the weight as it is then, and writes 0 into its status (pkg/canary/status.go)
        known = status.weight
        return (
            "" if known == round(weight) else f"the canary has {known} % of the traffic; what was read has {weight:g} %"
        )

    def on_rollout_end(self, question: WebhookPayload) -> None:
        """Carries out what follows from a rollout's end, once the Canary's status confirms the end.

        Without a cluster to ask, a reported rollback is believed.
        """
        if self._cluster is not None:
            self._start(self._confirm(self._cluster, question.subject))
        elif question.rolled_back and self._environment is not None:
            self._start(self._revert(self._environment, question))

    async def watch(self) -> None:
        """Searches for ended rollouts now and then every minute: Flagger reports an end only once."""
        cluster = self._cluster
        if cluster is None or not self._namespaces:
            return
        while True:
            for namespace in self._namespaces:
                await self._look(cluster, namespace)
            await self._sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Waits up to ten seconds for running tasks, then cancels them."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while self._under_way:  # a task may start another
                    await asyncio.wait(self._under_way)
        for task in self._under_way:
            task.cancel()

    def _notice(self, subject: Subject, notice: Notice) -> None:
        if self._cluster is None or notice.key in self._noticed:
            return
        self._noticed.add(notice.key)
        self._start(self._write(self._cluster, subject, notice))

    async def _write(self, cluster: KubernetesApi, subject: Subject, notice: Notice) -> None:
        try:
            await cluster.write_event(subject, notice)
        except KubernetesError as error:
            self._noticed.discard(notice.key)
            log("error", service=subject.service, reason=str(error))

    async def _confirm(self, cluster: KubernetesApi, subject: Subject) -> None:
        """Believes only the Canary's status: anybody who reaches the judge can claim that a rollout ended."""
        for pause in _CONFIRM_SECONDS:
            await self._sleep(pause)
            try:
                end = rollout_end(await cluster.canary(subject))
            except (KubernetesError, WebhookPayloadError) as error:
                log("error", namespace=subject.namespace, service=subject.service, reason=str(error))
                continue
            if end is not None:
                await self._apply(end)
                return
        log(
            "error",
            namespace=subject.namespace,
            service=subject.service,
            reason="it was told that this rollout ended, and the Canary does not say so; nothing is done",
        )

    async def _apply(self, end: RolloutEnd) -> None:
        """Carries out what follows from an end, once."""
        question = end.question
        if self._applied.get(question.subject) == end.at:
            return
        if end.failed:
            done = self._environment is None or await self._revert(self._environment, question)
        else:
            done = self._registry is None or await self._move_champion_alias(self._registry, question)
        if done:
            self._applied[question.subject] = end.at

    async def _move_champion_alias(self, registry: Registry, question: WebhookPayload) -> bool:
        """Moves the alias; True if no retry is needed: the version is champion now, or MLflow does not know it."""
        service, version, package = question.name, question.metadata.version, question.metadata.package
        try:
            if await registry.promote(service, version, package):
                log("champion", service=service, version=version, package=package)
                self._tell(question, "Champion", f"version {version} is champion in MLflow")
        except RegistryError as error:
            log("error", service=service, version=version, reason=str(error))
            self._tell(question, "ChampionUnknown", f"the alias champion was not moved: {error}", warning=True)
            return isinstance(error, UnregisteredError)
        return True

    async def _look(self, cluster: KubernetesApi, namespace: str) -> None:
        try:
            canaries = await cluster.canaries(namespace)
        except KubernetesError as error:
            log("error", namespace=namespace, reason=str(error))
            return
        for canary in canaries:
            try:
                end = rollout_end(canary)
            except WebhookPayloadError as error:
                log("error", namespace=namespace, service=canary["metadata"]["name"], reason=str(error))
                continue
            if end is not None:
                await self._apply(end)

    async def _revert(self, environment: EnvironmentRepository, question: WebhookPayload) -> bool:
        """Reverts the release; True once the branch does not name it any more."""
        service, version = question.name, question.metadata.version
        reason, undecided = await self._reason(question)
        rollback = Rollback(service, version, question.metadata.package, undecided)
        for pause in (*_PAUSES_SECONDS, None):
            try:
                made = await asyncio.to_thread(undo_release, environment, rollback, reason)
            except ComponentError as error:
                log("error", service=service, version=version, reason=str(error))
                self._tell(question, "RevertFailed", f"version {version} is not reverted yet: {error}", warning=True)
                if pause is not None:
                    await self._sleep(pause)
                continue
            if made is not None:
                log("reverted", service=service, version=version, commit=made.id, reason=made.subject)
                self._tell(question, "Reverted", f"{made.subject}: commit {made.id}")
            return True
        return False

    def _tell(self, question: WebhookPayload, title: str, message: str, *, warning: bool = False) -> None:
        key = _digest((question.subject, question.metadata.version, title, message))
        self._notice(question.subject, Notice(title, message, key, warning))

    async def _reason(self, question: WebhookPayload) -> tuple[str, bool]:
        """The reason in a revert's message, and whether the judge's word was undecided.

        This judge may never have been asked about the rollout: another was, or it has just started.
        What Flagger ended without the judge's yes counts as failed: it does not say if the pods kept dying.
        """
        reason, signals, undecided = "Flagger rolled it back", [], False
        try:
            verdict = await self._judge.last_verdict(await self._judge.meet(question))
            told = f"Flagger rolled it back; the judge's last word was {verdict.reason}"
            reason = verdict.reason if verdict.must_go else told
            signals, undecided = verdict.to_dict()["signals"], verdict.verdict == "undecided"
        except UnknownSubjectError:
            pass  # nobody says how it was to be judged
        return revert_reason(reason, signals), undecided

    def _start(self, work: Coroutine[Any, Any, object]) -> None:
        if len(self._under_way) >= _MOST_UNDER_WAY:
            work.close()
            log("error", reason=f"{_MOST_UNDER_WAY} consequences are under way; one was dropped")
            return
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)


def _without_numbers(reason: str) -> str:
    return re.sub(r"\d[\d.,]*", "#", reason)


def _digest(parts: object) -> str:
    """A key that is the same in every replica of the judge, so that an Event is written once."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
