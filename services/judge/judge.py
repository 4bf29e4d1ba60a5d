"""The judge: answers for each subject with its rollout's settings and its samples."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping

from components.spec.contract import Rollout
from services.judge.evidence.counts import MOMENTS, Evidence
from services.judge.evidence.gathering import evidence_at
from services.judge.evidence.series import Series
from services.judge.evidence.sources import Source
from services.judge.evidence.warming import Timing
from services.judge.shadow.first import after_shadow, canary_verdict, shadow_verdict, verdict_without_copies
from services.judge.shadow.sources import NoShadows, Shadows
from services.judge.verdict import Verdict, judge, verdict_at_end
from services.judge.webhook import Subject, WebhookPayload

#: A side counts as missing after this many scrapes in which it could not be read.
_MISSED_SCRAPES = 5
#: Flagger takes the traffic away when it is told to, and the gateway follows within a scrape or two.
_ENDING_SECONDS = 60.0
#: Flagger raises the weight at once when it may, and exports it then.
_RAISING_SECONDS = 5.0
#: So many of a canary's first requests may be slow because it has just started.
_WARM_REQUESTS = 200.0


class UnknownSubjectError(LookupError):
    """No known rollout says how to judge this service, or several services have its name."""


class Judge:
    """Answers for each canary from its rollout's settings and its source's samples."""

    def __init__(
        self,
        rollouts: Mapping[str, Rollout],
        source: Source,
        clock: Callable[[], float],
        interval_seconds: float,
        shadows: Shadows | None = None,
    ) -> None:
        """`rollouts` are those of services whose spec is known beforehand.

        `interval_seconds` is the time between scrapes; `clock` gives Unix seconds. `shadows` tells of candidates of
        strategy shadow-then-canary; without it none of them passes.
        """
        self.rollouts = {Subject(service): rollout for service, rollout in rollouts.items()}
        self.clock, self.interval_seconds = clock, interval_seconds
        self.answers: Counter[tuple[Subject, str, str]] = Counter()
        self._source, self._shadows = source, shadows or NoShadows()
        self._asked_version: dict[Subject, str] = {}
        self._raised: dict[Subject, tuple[float, float]] = {}

    async def meet(self, question: WebhookPayload) -> Subject:
        """Takes the rollout's settings from a question and begins to read the subject's samples.

        Raises:
            UnknownSubjectError: the settings are neither in the question nor known from the start.
        """
        subject, rollout = question.subject, question.metadata.rollout
        if rollout is not None:
            self.rollouts[subject] = rollout
        subject = subject if rollout is not None else self.find(*subject)
        await self._source.follow(subject, self.rollouts[subject])
        if self.rollouts[subject].shadow_first:
            self._asked_version[subject] = question.metadata.version
            await self._shadows.follow(subject, self.rollouts[subject])
        return subject

    def find(self, service: str, namespace: str = "") -> Subject:
        """The subject of this name; without a namespace, the only subject of that name.

        Raises:
            UnknownSubjectError: no subject has this name, or several have it.
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
        """The reasons why the evidence cannot be read or believed; too little evidence is not among them."""
        evidence = self._evidence(subject, self._source.series(subject), self.clock())
        return [*evidence.problems, *evidence.contradictions(), *evidence.doubts()]

    def raises(self, subject: Subject, weight: float) -> None:
        """Remembers that the canary, which has this weight, may get more."""
        self._raised[subject] = self.clock(), weight

    def unread(self, subject: Subject, weight: float) -> str:
        """A sentence if the weight was read before it was raised for the last time; else empty.

        The answer would be about a weight that the canary no longer has.
        """
        at, before = self._raised.get(subject, (-math.inf, math.nan))
        read = self._source.series(subject).weight_times[-1]
        if weight != before or read >= at + _RAISING_SECONDS:
            return ""
        return f"the canary's weight was last read as {weight:g} %, and may be larger since then"

    def verdict(self, subject: Subject, toward: float | None = None) -> Verdict:
        """The current verdict on `toward` percent, by default on the next weight."""
        evidence = self._evidence(subject, self._source.series(subject), self.clock())
        return self._judge(subject, evidence, toward)

    def is_readable(self, subject: Subject) -> bool:
        """Whether the canary has traffic, or both sides can be read so that it may get some."""
        evidence = self._evidence(subject, self._source.series(subject), self.clock())
        return evidence.weight > 0 or judge(evidence, self.rollouts[subject]).may_start

    def _judge(self, subject: Subject, evidence: Evidence, toward: float | None = None) -> Verdict:
        """The verdict of the rollout's strategy."""
        rollout = self.rollouts[subject]
        if not rollout.shadow_first:
            return judge(evidence, rollout, toward)
        shadow, version = self._shadows.now(subject), self._asked_version.get(subject, "")
        if not shadow.copies and version in (shadow.version, ""):
            return verdict_without_copies(evidence, rollout, toward)
        if evidence.weight > 0:
            return canary_verdict(evidence, rollout, toward)
        return shadow_verdict(evidence, shadow, version, rollout)

    def _ended_in_shadow(self, subject: Subject) -> bool:
        """Whether the last candidate never got traffic: it came to the shadow after the last traffic had gone."""
        if not self.rollouts[subject].shadow_first:
            return False
        series, shadow = self._source.series(subject), self._shadows.now(subject)
        gone, began = series.seen_gone(), shadow.began if shadow.copies else None
        return series.began() is None and began is not None and (gone is None or began > gone)

    async def last_verdict(self, subject: Subject) -> Verdict:
        """The verdict that ended a rollout: its last end while it had traffic, else the verdict at the last moment.

        It is found again in the samples, for the replica that is asked may not be the one that decided. One that
        was made more than `_ENDING_SECONDS` before the traffic ended is not looked for: Flagger acts at once.

        The deadline may have passed between the last sample with traffic and the first without, so it is held
        against the later one.
        """
        if self._ended_in_shadow(subject):
            return self.verdict(subject)
        whole, verdicts = self._source.series(subject), []
        endings = list(whole.endings(_ENDING_SECONDS))
        for series in endings:
            verdicts.append(self._verdict_at(subject, series))
            await asyncio.sleep(0)  # a minute of samples takes seconds: questions are answered in between
        found, gone = verdict_at_end(verdicts), whole.seen_gone()
        late = found if gone is None else self._verdict_at(subject, endings[0], gone)
        last = late if late.must_go and not found.must_go else found
        paired = self.rollouts[subject].shadow_first and self._shadows.now(subject).copies
        return after_shadow(last, self.rollouts[subject]) if paired else last

    def _verdict_at(self, subject: Subject, series: Series, at: float | None = None) -> Verdict:
        """The verdict at a time, by default that of the last weight."""
        last = series.weight_times[-1] if series.weight_times else self.clock()
        return self._judge(subject, self._evidence(subject, series, last if at is None else at))

    def _evidence(self, subject: Subject, series: Series, at: float) -> Evidence:
        return evidence_at(series, at, self._stale_seconds(), timing_of(self.rollouts[subject]))

    def version(self, subject: Subject) -> str:
        """The canary's version, as its replicas name it; empty if no replica was read."""
        return self._source.series(subject).version("canary")

    def began(self, subject: Subject) -> float:
        """The Unix time at which the canary first got traffic; 0 while it has none."""
        return self._source.series(subject).began() or 0.0

    async def watch(self) -> None:
        """Reads new samples, for ever."""
        while True:
            await self._source.refresh()
            await self._shadows.refresh()
            await asyncio.sleep(self.interval_seconds)

    def _stale_seconds(self) -> float:
        return max(_MISSED_SCRAPES * self.interval_seconds, 5.0)


def timing_of(rollout: Rollout) -> Timing:
    """The times of a rollout, from its settings."""
    return Timing(
        look_seconds=rollout.interval_seconds, moment_seconds=rollout.deadline_minutes * 60 / MOMENTS,
        mature_seconds=(rollout.label_maturity_minutes or 0.0) * 60, warm_requests=_WARM_REQUESTS,
    )  # fmt: skip


def _fits(subject: Subject, service: str, namespace: str) -> bool:
    """True if the names agree; an empty service or namespace fits all, and so does a subject's empty namespace."""
    return service in (subject.service, "") and (not namespace or subject.namespace in (namespace, ""))
