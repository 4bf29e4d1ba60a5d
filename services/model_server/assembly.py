"""Assembles a model server from its settings, and runs it from start to stop."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import random
import signal
import sys
import time
from collections.abc import Callable, MutableMapping
from types import FrameType

from components.package.model_package import Contract
from services import telemetry
from services.model_server.app import Application, ModelApp, Receive, Scope, Send
from services.model_server.counters import Counters, Exposition, layout_of
from services.model_server.decoding import RowDecoder
from services.model_server.errors import SettingsError
from services.model_server.events import log_event
from services.model_server.faults import planned_faults
from services.model_server.feedback.grading import grader_of
from services.model_server.feedback.handler import FeedbackHandler
from services.model_server.feedback.kept_rows import kind_of
from services.model_server.feedback.label_slots import LABEL_SLOTS_BYTES, LabelSlots, LabelSlotsPage
from services.model_server.feedback.peers import Peers
from services.model_server.feedback.recent import RecentAnswers, recent_bytes
from services.model_server.feedback.truth import truth_of
from services.model_server.inputs import INPUT_BYTES, LiveInputs, LiveInputsPage
from services.model_server.model import Model
from services.model_server.prediction_log import LineLog
from services.model_server.settings import Settings
from services.model_server.shadow.counts import ShadowCounts, ShadowExposition, Slices, shadow_bytes
from services.model_server.shadow.labels import PAIRED_BYTES, LabelledPairs
from services.model_server.shadow.mirror import Mirror
from services.model_server.shared import SharedMemory, join, slot_size
from services.model_server.verified_package import verified_package

_MIB = 1_048_576


def slot_bytes(settings: Settings, contract: Contract) -> int:
    """Bytes of one worker's shared memory: counters, label slots, inputs, recent answers, its candidate's counts.

    Raises:
        SettingsError: a slice is not a category feature, or the task has no shadow.
    """
    if settings.shadow_url and contract.task != "binary":
        raise SettingsError(
            f"CANARIO_SHADOW_URL: the shadow compares probabilities; task {contract.task} has no shadow yet"
        )
    seen = PAIRED_BYTES + shadow_bytes(Slices(contract, settings.shadow_slices)) if settings.shadow_url else 0
    return slot_size(_Offsets(settings, contract).shadow + seen)


class _Offsets:
    """Where each part of a worker's shared memory begins; the counters come first."""

    def __init__(self, settings: Settings, contract: Contract) -> None:
        self.label_slots = layout_of(contract).bytes
        self.inputs = self.label_slots + LABEL_SLOTS_BYTES
        self.recent = self.inputs + INPUT_BYTES
        self.shadow = self.recent + recent_bytes(settings.recent_requests, kind_of(contract))


class Server:
    """An ASGI application around `ModelApp` that also starts and stops its logs, peers and mirror."""

    def __init__(
        self,
        settings: Settings,
        environment: MutableMapping[str, str],
        clock: Callable[[], float] = time.perf_counter,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Assembles the parts; the server starts later. `clock` counts a request's seconds, `wall` gives unix seconds.

        Raises:
            PackageError: the package is broken or not correctly signed, or its graph cannot be loaded.
            SettingsError: a setting names something that the package's contract does not have.
        """
        package = verified_package(settings)
        contract = package.contract
        service = settings.service or contract.name
        shared = join(environment, slot_bytes(settings, contract))
        offsets = _Offsets(settings, contract)
        slow_seconds = contract.objectives.latency_p99_ms / 1000
        counters = Counters(shared.slots[shared.own], slow_seconds, layout_of(contract))
        slots = LabelSlots(shared, offsets.label_slots, settings.label_slot_seconds, wall)
        recent = RecentAnswers(shared, offsets.recent, settings.recent_requests, slots, kind_of(contract))
        self._settings = settings
        self._peers = Peers(settings.peers)
        self._logs = _open_logs(settings, counters)
        self._mirror: Mirror | None
        pairs, self._mirror, seen = _shadow(settings, contract, shared, service, recent, offsets.shadow)
        labels = LabelSlotsPage(slots, service, settings.version)
        memories = [slot[offsets.inputs :] for slot in shared.slots]
        inputs = LiveInputsPage(memories, package, service, settings.version)
        self.app = ModelApp(
            package=package,
            service=service,
            version=settings.version,
            model=Model(package, settings.version),
            decoder=RowDecoder(contract, counters.adapted),
            counters=counters,
            inputs=LiveInputs(memories[shared.own], package),
            exposition=Exposition(
                shared.slots, package, service, settings.version, seen, lambda: labels.text() + inputs.text(), wall
            ),
            recent=recent,
            feedback=FeedbackHandler(
                truth_of(contract),
                grader_of(contract),
                recent,
                slots,
                counters,
                self._logs.get("feedback"),
                self._peers,
                pairs,
            ),
            log=self._logs.get("predictions"),
            faults=planned_faults(settings, contract, random.Random()),  # noqa: S311 -- no secret
            mirror=self._mirror,
            shadow_candidate=settings.shadow_candidate,
            shadow_first=settings.shadow_first,
            clock=clock,
            wall=wall,
        )
        self._inner: Application | None = None
        self._about = {"service": service, "version": settings.version, "package": package.digest}

    def inside(self, inner: Application) -> Server:
        """Passes everything that is not HTTP to `inner`, and returns this server."""
        self._inner = inner
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request, or the server's life from start to stop."""
        if scope["type"] == "http":
            await self.app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self._inner is not None:
            await self._inner(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched_send(message: MutableMapping[str, object]) -> None:
            if message["type"] == "lifespan.startup.complete":
                self.start()
            elif message["type"] == "lifespan.shutdown.complete":
                await self._peers.close()
                self.stop()
            await send(message)

        if self._inner is not None:
            await self._inner(scope, receive, watched_send)
            return
        await receive()
        await watched_send({"type": "lifespan.startup.complete"})
        await receive()
        await watched_send({"type": "lifespan.shutdown.complete"})

    def start(self) -> None:
        """Replays the golden requests, starts the mirror and returns unused memory."""
        drain_on_signals(self.app, self._settings.drain_seconds)
        self.app.self_test()
        if self._mirror is not None:
            self._mirror.start()
        # Without freezing, the collector visits every loaded object, which takes
        # 80 to 140 ms about once a second under load.
        gc.collect()
        gc.freeze()
        _give_memory_back()
        faults = {
            name: value for name, value in self._settings.model_dump().items() if name.startswith("fault_") and value
        }
        log_event("model_server_started", **self._about, ready=self.app.ready, **faults)

    def stop(self) -> None:
        """Stops asking the candidate, and flushes and closes the logs."""
        if self._mirror is not None:
            self._mirror.stop()
        for log in self._logs.values():
            log.close()
        log_event("model_server_stopped", **self._about)


def _shadow(
    settings: Settings, contract: Contract, shared: SharedMemory, service: str, recent: RecentAnswers, offset: int
) -> tuple[LabelledPairs, Mirror, ShadowExposition] | tuple[None, None, None]:
    """The pairing of labels, the mirror and the metrics of both, or nothing without a candidate."""
    if not settings.shadow_url:
        return None, None, None
    slices = Slices(contract, settings.shadow_slices)
    memories = [slot[offset + PAIRED_BYTES :] for slot in shared.slots]
    latest_label = (telemetry.LABEL_SLOTS - 1) * settings.label_slot_seconds
    pairs = LabelledPairs(shared, offset, memories, recent, latest_label, settings.shadow_mature_seconds)
    mirror = Mirror(
        settings.shadow_url,
        settings.shadow_ratio,
        settings.shadow_score_difference,
        int(settings.shadow_queue_mib * _MIB),
        ShadowCounts(memories[shared.own], slices),
        pairs,
    )
    return pairs, mirror, ShadowExposition(memories, slices, service, settings.version)


def _open_logs(settings: Settings, counters: Counters) -> dict[str, LineLog]:
    if settings.log_dir is None:
        return {}
    return {
        name: LineLog(
            settings.log_dir,
            name,
            max_file_bytes=int(settings.log_file_mib * _MIB),
            max_files=settings.log_files,
            max_queue_bytes=int(settings.log_queue_mib * _MIB),
            dropped_full=counters.dropped_full,
            dropped_disk=counters.dropped_disk,
        )
        for name in ("predictions", "feedback")
    }


def drain_on_signals(app: ModelApp, seconds: float) -> None:
    """Delays the effect of SIGTERM and SIGINT by `seconds`, in which the server is unready and closes connections.

    So callers with open connections leave before the socket closes. A second signal takes effect at once.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if not callable(before):
            continue

        def handle(received: int, _frame: FrameType | None, before: object = before) -> None:
            stop_now = app.draining
            app.draining = True
            if callable(before):
                loop.call_soon_threadsafe(loop.call_later, 0 if stop_now else seconds, before, received, None)

        signal.signal(number, handle)


def _give_memory_back() -> None:
    """Returns the memory that loading needed to the system: 185 of 360 MiB for a forest of 200 trees (glibc only)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def die_with_parent() -> None:
    """Asks the kernel for a SIGTERM when the parent ends, however it ends (Linux only)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
