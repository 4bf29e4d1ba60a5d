"""Matches true labels that come back with the answered scores, here or at another replica.

Traffic is split between versions, so feedback may reach a replica that never
saw the request; the replica then asks its peers once. Every message is kept in the
feedback log, where a later join with the prediction log finds the unknown ones.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from services import telemetry
from services.model_server.counters import Counters
from services.model_server.decoding import json_document
from services.model_server.errors import LabelsError, Refused
from services.model_server.feedback.grading import Grader
from services.model_server.feedback.label_slots import LabelSlots
from services.model_server.feedback.peers import UNKNOWN, LabelOutcome, Peers
from services.model_server.feedback.recent import RecentAnswers
from services.model_server.feedback.truth import Truth
from services.model_server.prediction_log import LineLog
from services.model_server.problems import quote

#: The most messages in one feedback request.
MAX_MESSAGES: Final = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """Labels for the rows of one request, words or numbers; `many` is true if they came as a list, under `field`."""

    request_id: str
    labels: tuple[Any, ...]
    many: bool
    field: str = "label"

    def document(self) -> dict[str, Any]:
        """The message as JSON values, as sent to `/feedback`."""
        return {"request_id": self.request_id, self.field: list(self.labels) if self.many else self.labels[0]}


class Pairing(Protocol):
    """What else wants to know of labels: the comparison with a candidate in the shadow."""

    def labelled(self, request_id: str, bins: Sequence[int], positives: Sequence[bool]) -> None:
        """Takes the labels of an answer, the first time that they come, with the score bins of its rows."""


class FeedbackHandler:
    """Takes feedback for one version."""

    def __init__(
        self,
        truth: Truth,
        grader: Grader,
        recent: RecentAnswers,
        slots: LabelSlots,
        counters: Counters,
        log: LineLog | None,
        peers: Peers,
        pairs: Pairing | None = None,
    ) -> None:
        self._truth, self._grader = truth, grader
        self._recent, self._slots, self._counters, self._log = recent, slots, counters, log
        self._peers, self._pairs = peers, pairs

    async def receive(self, body: bytes, *, forwarded: bool) -> tuple[int, Any]:
        """Status and answer for the body of a feedback request; nothing is counted if any part is invalid.

        Messages forwarded by a peer are answered one by one, because the peer checked them against its own contract.

        Raises:
            Refused: the body is not JSON, or has wrong fields, unknown labels, or too many or too few labels.
        """
        document = json_document(body)
        messages = self._messages(document, forwarded=forwarded)
        outcomes = [self._take(message) for message in messages]
        if not forwarded:
            outcomes = await self._beyond(messages, outcomes)
        for message, outcome in zip(messages, outcomes, strict=True):
            self._keep(message, outcome)
        answers = [
            {"request_id": message.request_id, **outcome.document()}
            for message, outcome in zip(messages, outcomes, strict=True)
        ]
        return _status(outcomes), answers if isinstance(document, list) else answers[0]

    def _take(self, message: Message) -> LabelOutcome:
        """Counts a message's labels if its request was answered here; each row is counted once."""
        labels = [self._truth.label(label) for label in message.labels]
        if any(label is None for label in labels):
            return UNKNOWN
        try:
            answer = self._recent.label(message.request_id, labels)
        except LabelsError as error:
            self._counters.feedback(len(labels), "conflict")
            return LabelOutcome(matched=False, problem=str(error))
        if answer is None:
            return UNKNOWN
        if answer.answers:
            graded = self._grader.grade(answer.answers, labels)
            self._counters.labels(graded.cells, len(labels))
            self._counters.capped(graded.capped)
            self._slots.labelled(answer.turn, graded.parts)
            if self._pairs is not None:
                self._pairs.labelled(message.request_id, answer.answers, labels)
        self._counters.feedback(len(labels), "true")
        return LabelOutcome(matched=True)

    async def _beyond(self, messages: list[Message], outcomes: list[LabelOutcome]) -> list[LabelOutcome]:
        """The outcomes, with the peers' outcomes for requests that are unknown here."""
        unknown = [place for place, outcome in enumerate(outcomes) if not outcome.known]
        completed = list(outcomes)
        if unknown and self._peers:
            answers = await self._peers.ask([messages[place].document() for place in unknown])
            for place, outcome in zip(unknown, answers, strict=True):
                completed[place] = outcome
        pairs = zip(messages, completed, strict=True)
        missed = sum(len(message.labels) for message, outcome in pairs if not outcome.known)
        self._counters.feedback(missed, "false")
        return completed

    def _messages(self, document: Any, *, forwarded: bool) -> list[Message]:
        parts = document if isinstance(document, list) else [document]
        if not 1 <= len(parts) <= MAX_MESSAGES:
            raise Refused(422, "feedback", f"{len(parts)} messages; send 1 to {MAX_MESSAGES}")
        messages, problems = [], []
        for row, part in enumerate(parts):
            found = self._message(part)
            if isinstance(found, Message) and not forwarded:
                found = self._checked(found, part[self._truth.field])
            if isinstance(found, Message):
                messages.append(found)
            else:
                problems.append({"row": row, **found})
        if problems:
            raise Refused(422, "feedback", "the feedback is wrong", problems=problems)
        return messages

    def _checked(self, message: Message, label: Any) -> Message | dict[str, Any]:
        """The message, or the problem with its labels under this version's contract and the answer given here."""
        field = self._truth.field
        for value, written in zip(label if message.many else [label], message.labels, strict=True):
            if self._truth.label(written) is None:
                return _problem(field, value, f"is no {field}", self._truth.allowed)
        rows, count = self._recent.count(message.request_id), len(message.labels)
        if rows is not None and rows != count:
            return _problem(field, label, f"has {count} labels", f"{rows}, one for each row of the request")
        return message

    def _message(self, part: Any) -> Message | dict[str, Any]:
        """The message, or the problem with its form."""
        field = self._truth.field
        if not isinstance(part, dict) or set(part) != {"request_id", field}:
            return _problem(None, part, "is not an object with just these two fields", self._truth.form)
        request_id, label = part["request_id"], part[field]
        if not isinstance(request_id, str) or not 1 <= len(request_id) <= 128 or not request_id.isascii():
            return _problem(
                "request_id", request_id, "is no request id", f"the answer's header {telemetry.REQUEST_ID_HEADER}"
            )
        written = tuple(map(self._truth.written, label if isinstance(label, list) else [label]))
        return Message(request_id, written, isinstance(label, list), field)

    def _keep(self, message: Message, outcome: LabelOutcome) -> None:
        if self._log is not None:
            line = {"time": round(time.time(), 6), **message.document(), **outcome.document()}
            self._log.put(json.dumps(line).encode() + b"\n", len(message.labels))


def _status(outcomes: Sequence[LabelOutcome]) -> int:
    """409 if any message contradicts what is known, 202 if any request is unknown, else 200."""
    if any(outcome.problem for outcome in outcomes):
        return 409
    return 200 if all(outcome.matched for outcome in outcomes) else 202


def _problem(field: str | None, value: Any, problem: str, allowed: str) -> dict[str, Any]:
    return {"field": field, "value": quote(value), "problem": problem, "allowed": allowed}
