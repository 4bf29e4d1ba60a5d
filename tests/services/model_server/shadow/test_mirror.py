"""The mirror on an event loop of its own, against a candidate that does what the test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from components.package.model_package import Package
from services.model_server.feedback.label_slots import LABEL_SLOTS_BYTES, LabelSlots
from services.model_server.feedback.recent import RecentAnswers, recent_bytes
from services.model_server.shadow.counts import ShadowCounts, ShadowExposition, Slices, shadow_bytes
from services.model_server.shadow.labels import PAIRED_BYTES, LabelledPairs
from services.model_server.shadow.mirror import Mirror, NoAnswerError, compare
from services.model_server.shared import join, slot_size
from tests.patience import patient

YES = b'{"probability":0.7,"label":"Yes","version":"1"}'
ROW = (12, 7035.5, None, "One year", 1, True, "2020-02-29")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(probability: object, label: str = "Yes", version: str = "2") -> bytes:
    return json.dumps({"probability": probability, "label": label, "version": version}).encode()


@pytest.mark.parametrize(
    ("theirs", "different"),
    [
        (answer(0.7), False),
        (answer(0.74), False),
        (answer(0.76), True),
        (answer(0.64), True),
        (answer(0.7, "No"), True),
    ],
)
def test_answers_differ_by_label_or_by_more_than_the_margin(theirs: bytes, different: bool) -> None:
    found = compare(YES, theirs, 0.05)
    assert (found.different, found.candidate) == ([different], "2")


def test_long_answers_are_compared_in_even_steps() -> None:
    ours = b"[" + b",".join([YES] * 5) + b"]"
    theirs = b"[" + b",".join([answer(0.7), answer(0.1), answer(0.7), answer(0.1), answer(0.1)]) + b"]"
    assert compare(ours, theirs, 0.05) == ([False, True, False, True, True], [12] * 5, [12, 5, 12, 5, 5], "2")
    assert compare(ours, theirs, 0.05, step=2) == ([False, False, True], [12] * 3, [12, 12, 5], "2")


@pytest.mark.parametrize(
    "theirs",
    [b"", b"[]", b"{}", b"[" + answer(0.7) + b"]", b'{"probability":"x"}', answer("NaN"), b"\xff", b"[" * 5000],
)
def test_what_is_no_answer_is_said_to_be_none(theirs: bytes) -> None:
    with pytest.raises(NoAnswerError):
        compare(YES, theirs, 0.05)


class Stage:
    """A mirror and its counts, while a candidate listens."""

    def __init__(self, package: Package, port: int, *, ratio: float = 1.0, queue_bytes: int = 100_000) -> None:
        slices = Slices(package.contract, ["contract"])
        memory = memoryview(bytearray(shadow_bytes(slices)))
        self.exposition = ShadowExposition([memory], slices, "small", "1")
        counts, offset = ShadowCounts(memory, slices), LABEL_SLOTS_BYTES + recent_bytes(64)
        shared = join({}, slot_size(offset + PAIRED_BYTES))
        self.recent = RecentAnswers(shared, LABEL_SLOTS_BYTES, 64, LabelSlots(shared, 0, 30))
        self.labels = LabelledPairs(shared, offset, [memory], self.recent, 60)
        self.mirror = Mirror(f"http://127.0.0.1:{port}/predict", ratio, 0.05, queue_bytes, counts, self.labels)

    def counted(self) -> dict[str, float]:
        """Every number that is not zero, by metric and its last labels."""
        samples = [sample for family in self.exposition.collect() for sample in family.samples]
        return {
            " ".join([sample.name.partition("_shadow_")[2], *list(sample.labels.values())[3:]]): sample.value
            for sample in samples
            if sample.value
        }

    async def until(self, condition: Callable[[dict[str, float]], object], seconds: float = 10) -> dict[str, float]:
        async with asyncio.timeout(patient(seconds)):
            while not condition(found := self.counted()):  # noqa: ASYNC110 -- nobody tells when a number changes
                await asyncio.sleep(0.005)
        return found


def _compared(number: int) -> Callable[[dict[str, float]], bool]:
    return lambda counted: counted.get("compared_total") == number


def play(package: Package, handler: Handler, story: Callable[[Stage], Awaitable[None]], **settings: float) -> None:
    async def run() -> None:
        async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(reader, writer)
            writer.close()

        server = await asyncio.start_server(guarded, "127.0.0.1", 0)
        stage = Stage(package, server.sockets[0].getsockname()[1], **settings)  # type: ignore[arg-type]
        stage.mirror.start()
        try:
            await story(stage)
        finally:
            stage.mirror.stop()
            server.close()
            await asyncio.sleep(0)

    asyncio.run(run())


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line for line in head.splitlines() if line.startswith("content-length:"))
    return head, await reader.readexactly(int(length.split(":")[1]))


def answering(body: bytes, status: int = 200, asked: list[tuple[str, bytes]] | None = None, more: str = "") -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            found = await read_request(reader)
            if asked is not None:
                asked.append(found)
            writer.write(f"HTTP/1.1 {status} x\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body)

    return handle


def test_a_copy_keeps_the_requests_id_and_is_marked(package: Package) -> None:
    """A request is asked again under its id, and is marked as a copy."""
    asked: list[tuple[str, bytes]] = []

    async def story(stage: Stage) -> None:
        stage.mirror.offer("id-1", b'{"a": 1}', YES, [ROW])
        assert stage.counted() == {}
        found = await stage.until(lambda counted: counted)
        assert found == {"compared_total": 1, "slice_compared_total contract One year": 1}

    play(package, answering(answer(0.7), asked=asked), story)
    ((head, body),) = asked
    assert body == b'{"a": 1}'
    lines = head.splitlines()
    assert lines[0] == "POST /predict HTTP/1.1"
    assert {"x-canario-shadow: 1", "x-request-id: id-1", "content-type: application/json"} <= set(lines)


def test_a_connection_is_kept_until_the_candidate_closes_it(package: Package) -> None:
    """A connection is kept, and is replaced when the candidate closes it."""

    async def story(stage: Stage) -> None:
        for number in range(1, 6):
            stage.mirror.offer(f"id-{number}", b"{}", YES, [ROW])
            await stage.until(_compared(number))

    asked: list[tuple[str, bytes]] = []
    play(package, answering(answer(0.7), asked=asked), story)
    play(package, answering(answer(0.7), more="connection: close\r\n"), story)
    assert len(asked) == 5


def test_a_batch_counts_once_by_the_share_that_differs(package: Package) -> None:
    rows = [ROW, ROW, (*ROW[:3], "Two year", *ROW[4:])]
    ours = b"[" + b",".join([YES] * 3) + b"]"
    theirs = b"[" + b",".join([answer(0.7), answer(0.2, "No"), answer(0.7)]) + b"]"

    async def story(stage: Stage) -> None:
        stage.mirror.offer("id", b"[{}]", ours, rows)
        found = await stage.until(lambda counted: counted)
        assert found == pytest.approx(
            {
                "compared_total": 1,
                "different_total": 1 / 3,
                "slice_compared_total contract One year": 1,
                "slice_different_total contract One year": 1 / 2,
                "slice_compared_total contract Two year": 1,
                **{f"crossed_total {edge} candidate": 1 / 3 for edge in range(7, 12)},
            }
        )

    play(package, answering(theirs), story)


def test_edges_between_the_scores_count_by_side(package: Package) -> None:
    async def story(stage: Stage) -> None:
        stage.mirror.offer("id", b"{}", YES, [ROW])
        found = await stage.until(lambda counted: counted)
        assert {name for name in found if "crossed" in name} == {
            f"crossed_total {edge} champion" for edge in (12, 13, 14)
        }

    play(package, answering(answer(0.93)), story)


def test_who_answers_callers_is_left_alone(package: Package) -> None:
    """A version that answers callers declines copies; it is asked no more for a while, and nothing counts as lost."""
    asked: list[tuple[str, bytes]] = []

    async def story(stage: Stage) -> None:
        stage.mirror.offer("id", b"{}", YES, [ROW])
        async with asyncio.timeout(patient(10)):
            while not stage.mirror._declined:  # noqa: ASYNC110 -- nobody tells when it is declined
                await asyncio.sleep(0.005)
        stage.mirror.offer("id-2", b"{}", YES, [ROW])
        assert not stage.mirror._queue
        assert stage.counted() == {}

    play(package, answering(b"{}", 409, asked=asked), story)
    assert len(asked) == 1


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return


async def talk_nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ready\r\n\r\n" * 10)


async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (answering(b"{}", 500), "status"),
        (answering(b"{}", 422), "status"),
        (answering(b"rubbish"), "answer"),
        (answering(answer(0.7), more="content-encoding: x\r\n"), None),
        (hang_up, "unreachable"),
        (talk_nonsense, "unreachable"),
        (say_nothing, "timeout"),
    ],
)
def test_whatever_the_candidate_does_is_counted(package: Package, handler: Handler, reason: str | None) -> None:
    async def story(stage: Stage) -> None:
        stage.mirror.offer("id", b"{}", YES, [ROW])
        found = await stage.until(lambda counted: counted)
        assert found == ({f"failed_total {reason}": 1} if reason else found)
        assert ("compared_total" in found) is (reason is None)

    play(package, handler, story)


def test_a_candidate_that_is_not_there_is_left_alone_for_a_while(
    package: Package, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story(stage: Stage) -> None:
        stage.mirror._port = 1
        for number in range(50):
            stage.mirror.offer(str(number), b"{}", YES, [ROW])
        assert await stage.until(lambda counted: counted) == {"failed_total unreachable": 50}
        stage.mirror.offer("51", b"{}", YES, [ROW])
        assert stage.counted() == {"failed_total unreachable": 51}

    play(package, hang_up, story)
    assert capfd.readouterr().err.count("shadow_unreachable") == 1


def test_a_full_queue_drops_and_counts(package: Package) -> None:
    async def story(stage: Stage) -> None:
        for number in range(30):
            stage.mirror.offer(str(number), b"x" * 100, YES, [ROW])
        assert stage.counted() == {"dropped_total": 20}

    play(package, say_nothing, story, queue_bytes=1000)


def test_a_full_queue_goes_on_after_copies_that_timed_out(package: Package) -> None:
    """Where every connection was closed for its silence and the queue is full, what is queued is sent all the same."""
    connections = 0

    async def silent_at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await (say_nothing if connections <= 4 else answering(answer(0.7)))(reader, writer)

    async def story(stage: Stage) -> None:
        for number in range(8 * 32):
            stage.mirror.offer(str(number), b"x" * 100, YES, [ROW])
            if number % 32 == 31:
                await asyncio.sleep(0.05)
        while not stage.counted().get("dropped_total"):
            stage.mirror.offer("more", b"x" * 100, YES, [ROW])
        await stage.until(lambda counted: counted.get("compared_total", 0) > 0)

    play(package, silent_at_first, story, queue_bytes=3200)


def test_a_share_of_the_ids_is_copied_and_always_the_same_ones(package: Package) -> None:
    def copied() -> set[str]:
        asked: list[tuple[str, bytes]] = []

        async def story(stage: Stage) -> None:
            for number in range(400):
                stage.mirror.offer(f"id-{number}", b"{}", YES, [ROW])
            expected = len(stage.mirror._queue)
            await stage.until(lambda counted: counted.get("compared_total") == expected)

        play(package, answering(answer(0.7), asked=asked), story, ratio=0.25)
        return {line for head, _ in asked for line in head.splitlines() if line.startswith("x-request-id")}

    first = copied()
    # 100 expected; 60 and 140 are more than four standard deviations away.
    assert 60 < len(first) < 140
    assert copied() == first


def test_another_candidate_starts_from_zero(package: Package) -> None:
    slices = Slices(package.contract, ["senior"])
    memory = memoryview(bytearray(shadow_bytes(slices)))
    counts, exposition = ShadowCounts(memory, slices), ShadowExposition([memory], slices, "small", "1")
    counts.failed("unreachable", 3)
    for version in ("2", "2", "3"):
        counts.compared([ROW], [True], version)
    samples = [sample for family in exposition.collect() for sample in family.samples]
    assert {sample.labels["candidate"] for sample in samples} == {"3"}
    assert {sample.name: sample.value for sample in samples if sample.value} == {
        "canario_shadow_compared_total": 1,
        "canario_shadow_different_total": 1,
        "canario_shadow_slice_compared_total": 1,
        "canario_shadow_slice_different_total": 1,
    }
    # A worker that is started again goes on where it was.
    ShadowCounts(memory, slices).compared([ROW], [False], "3")
    compared = next(iter(exposition.collect())).samples
    assert [sample.value for sample in compared] == [2]


def test_slices_are_the_values_of_category_features(package: Package) -> None:
    assert Slices(package.contract, ()).labels == [
        ("contract", "Month-to-month"),
        ("contract", "One year"),
        ("contract", "Two year"),
        ("senior", "0"),
        ("senior", "1"),
        ("class", "true"),
        ("class", "false"),
        ("class", ""),
    ]
    assert [Slices(package.contract, ()).labels[place] for place in Slices(package.contract, ()).of(ROW)] == [
        ("contract", "One year"),
        ("senior", "1"),
        ("class", "true"),
    ]
