"""True labels that come back: matched with the score that was answered, here or at another replica.

Traffic is split between versions, so feedback may reach a replica that never
saw the request. It then asks its peers once. What nobody knows is kept in the
feedback log, where a later join with the prediction log finds it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any, Final

from components.contract import category_text
from components.package import Target
from services import telemetry
from services.model_server.counters import Counters
from services.model_server.decoding import json_document
from services.model_server.errors import Refused
from services.model_server.peers import Peers
from services.model_server.prediction_log import LineLog
from services.model_server.problems import quote
from services.model_server.recent import RecentAnswers

#: Messages of one feedback request.
_MAX_MESSAGES: Final = 1000


@dataclass(frozen=True, slots=True)
class Message:
    """Labels for the rows of one request, as texts; `many` if they came as a list."""

    request_id: str
    labels: tuple[str, ...]
    many: bool

    def document(self) -> dict[str, Any]:
        """As it is sent to `/feedback`."""
        return {"request_id": self.request_id, "label": list(self.labels) if self.many else self.labels[0]}


class FeedbackDesk:
    """Takes feedback for one version."""

    def __init__(
        self, target: Target, recent: RecentAnswers, counters: Counters, log: LineLog | None, peers: Peers
    ) -> None:
        self._words = {target.negative: False, target.positive: True}
        self._recent, self._counters, self._log = recent, counters, log
        self._peers = peers

    async def receive(self, body: bytes, *, forwarded: bool) -> tuple[int, Any]:
        """Status and answer for the body of a feedback request; nothing counts if a part of it is wrong.

        Raises:
            Refused: it is not JSON, has wrong fields, labels that do not exist or too many or too few of them.
        """
        document = json_document(body)
        messages = self._messages(document)
        matched = {message.request_id for message in messages if self._count(message)}
        unknown = [message for message in messages if message.request_id not in matched]
        if unknown and self._peers and not forwarded:
            matched |= await self._peers.known([message.document() for message in unknown])
        if not forwarded:
            missed = sum(len(message.labels) for message in messages if message.request_id not in matched)
            self._counters.feedback(missed, matched=False)
        for message in messages:
            self._keep(message, known=message.request_id in matched)
        answers = [{"request_id": m.request_id, "matched": m.request_id in matched} for m in messages]
        status = 200 if len(matched) == len({m.request_id for m in messages}) else 202
        return status, answers if isinstance(document, list) else answers[0]

    def _count(self, message: Message) -> bool:
        """Counts a message's labels if its request was answered here; a row counts once."""
        bins = self._recent.label(message.request_id)
        if bins is None or len(bins) != len(message.labels):
            return False
        for score_bin, label in zip(bins, message.labels, strict=True):
            if score_bin is not None:
                self._counters.label(score_bin, positive=self._words[label])
        self._counters.feedback(len(message.labels), matched=True)
        return True

    def _messages(self, document: Any) -> list[Message]:
        parts = document if isinstance(document, list) else [document]
        if not 1 <= len(parts) <= _MAX_MESSAGES:
            raise Refused(422, "feedback", f"{len(parts)} messages; send 1 to {_MAX_MESSAGES}")
        messages, problems = [], []
        for row, part in enumerate(parts):
            found = self._message(part)
            if isinstance(found, Message):
                messages.append(found)
            else:
                problems.append({"row": row, **found})
        if problems:
            raise Refused(422, "feedback", "the feedback is wrong", problems=problems)
        return messages

    def _message(self, part: Any) -> Message | dict[str, Any]:
        """The message, or what is wrong with it."""
        expected = '{"request_id": text, "label": text or a list of texts}'
        if not isinstance(part, dict) or set(part) != {"request_id", "label"}:
            return _fault(None, part, "is not an object with just these two fields", expected)
        request_id, label = part["request_id"], part["label"]
        if not isinstance(request_id, str) or not 1 <= len(request_id) <= 128 or not request_id.isascii():
            return _fault(
                "request_id", request_id, "is no request id", f"the answer's header {telemetry.REQUEST_ID_HEADER}"
            )
        labels = label if isinstance(label, list) else [label]
        texts = tuple(category_text(one) if isinstance(one, str | int) else "" for one in labels)
        for one, text in zip(labels, texts, strict=True):
            if text not in self._words:
                return _fault("label", one, "is no label", f"one of {', '.join(self._words)}")
        rows = self._recent.count(request_id)
        if rows is not None and rows != len(labels):
            return _fault("label", label, f"has {len(labels)} labels", f"{rows}, one for each row of the request")
        return Message(request_id, texts, many=isinstance(label, list))

    def _keep(self, message: Message, *, known: bool) -> None:
        if self._log is not None:
            line = {"time": round(time.time(), 6), **message.document(), "matched": known}
            self._log.put(json.dumps(line).encode() + b"\n", len(message.labels))


def _fault(field: str | None, value: Any, problem: str, allowed: str) -> dict[str, Any]:
    return {"field": field, "value": quote(value), "problem": problem, "allowed": allowed}
