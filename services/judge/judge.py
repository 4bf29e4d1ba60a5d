"""The judge: who is judged, by which settings, on which samples."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from components.spec.contract import Rollout
from services.judge.evidence.series import evidence_at
from services.judge.evidence.sources import Source
from services.judge.verdict import Verdict, judge
from services.judge.webhook import Subject, WebhookPayload

#: A side counts as missing when it could not be read for this many scrapes.
_MISSED_SCRAPES = 5


class UnknownSubjectError(LookupError):
    """Nothing says how this service is to be judged."""


class Judge:
    """Answers for each canary from its rollout's settings and its source's samples."""

    def __init__(
        self, rollouts: Mapping[str, Rollout], source: Source, clock: Callable[[], float], interval_seconds: float
    ) -> None:
        """`rollouts` are those of services whose spec is known beforehand; `interval_seconds` lies between scrapes.

        `clock` gives Unix seconds.
        """
        self.rollouts = {Subject(service): rollout for service, rollout in rollouts.items()}
        self.clock, self.interval_seconds = clock, interval_seconds
        self.answers: Counter[tuple[Subject, str, str]] = Counter()
        self._source = source

    async def meet(self, question: WebhookPayload) -> Subject:
        """Learns from a question what it says of the rollout, and reads what there is about it.

        Raises:
            UnknownSubjectError: neither the question nor the start of this program says how to judge it.
        """
        subject, told = question.subject, question.metadata.rollout
        if told is not None:
            self.rollouts[subject] = told
        subject = subject if told is not None else self.find(*subject)
        await self._source.follow(subject, self.rollouts[subject])
        return subject

    def find(self, service: str, namespace: str = "") -> Subject:
        """The subject of this name; without a namespace, the only one of that name.

        Raises:
            UnknownSubjectError: there is none, or there are several.
        """
        if Subject(service, namespace) in self.rollouts:
            return Subject(service, namespace)
        found = [subject for subject in self.rollouts if _fits(subject, service, namespace)]
        if len(found) != 1:
            known = ", ".join("/".join(filter(None, (subject.namespace, subject.service))) for subject in self.rollouts)
            what = f"several services are named {service!r}" if found else f"no service {service!r} is judged here"
            raise UnknownSubjectError(f"{what}; judged are: {known or 'none yet'}")
        return found[0]

    def problems(self, subject: Subject) -> list[str]:
        """What keeps the evidence from being read or believed; nothing when it only is too little yet."""
        evidence = evidence_at(self._source.series(subject), self.clock(), self._stale_seconds())
        return [*evidence.problems, *evidence.faults(), *evidence.doubts()]

    def verdict(self, subject: Subject, toward: float | None = None) -> Verdict:
        """The verdict now, on `toward` percent or the next weight."""
        series = self._source.series(subject)
        return judge(evidence_at(series, self.clock(), self._stale_seconds()), self.rollouts[subject], toward)

    def last_verdict(self, subject: Subject) -> Verdict:
        """The verdict at the end of the rollout that is under way, or that ended just now."""
        series = self._source.series(subject).rewound()
        at = series.weight_times[-1] if series.weight_times else self.clock()
        return judge(evidence_at(series, at, self._stale_seconds()), self.rollouts[subject])

    def version(self, subject: Subject) -> str:
        """The canary's version, as its replicas name it; empty when none was read."""
        return self._source.series(subject).version("canary")

    def began(self, subject: Subject) -> float:
        """When the canary first got traffic; 0 while it has none."""
        return self._source.series(subject).began() or 0.0

    async def watch(self) -> None:
        """Reads what is new, for ever."""
        while True:
            await self._source.refresh()
            await asyncio.sleep(self.interval_seconds)

    def _stale_seconds(self) -> float:
        return max(_MISSED_SCRAPES * self.interval_seconds, 5.0)


def _fits(subject: Subject, service: str, namespace: str) -> bool:
    """An empty service or namespace fits all, as does a subject that was named without a namespace."""
    return service in (subject.service, "") and (not namespace or subject.namespace in (namespace, ""))
