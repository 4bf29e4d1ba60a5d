"""The twin: the parts of a cluster as real processes on this machine, driven by commits.

    repository = Repository.create(home / "environment.git")
    twin = Twin(spec_path, home / "twin", repository, find_package, interval_seconds=3, on_promoted=move_alias)
    with twin:
        twin.deploy(Release(service="churn", version="1", package="sha256:..."), "Deploy churn 1")
        ending = twin.wait_for_end("1", timeout_seconds=90)  # .phase: Initialized, Succeeded, Failed
        ... traffic goes to twin.url ...
    # here every process has ended and every port is free

- `deploy` commits `k8s/envs/<environment>/<service>.yaml`; any other commit of that file has the same effect.
- `wait_for_end` returns the event that ended a version's rollout. A failed version has been reverted by then:
  `ending.reason` is the judge's sentence, `ending.evidence` its numbers, and the revert is in the Git log.
- Strategy `basic` has no judge, as in a cluster: nothing is judged or reverted.
- `listener` receives each `Event` live, and `home/events.jsonl` holds them all (`events.py` lists the kinds).
  Events of kind "decision" hold at (seconds since 1970), version, weight, verdict, reason and evidence.
- `find_package` returns the folder of a digest; `on_promoted` is called with each release that becomes champion.
- The logs of all processes are in `home/logs`, the prediction logs in `home/predictions/v<version>`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from components.errors import ComponentError
from components.git.repository import Commit, Repository
from components.releases.release_file import Release, release_file, release_text
from components.releases.rollback import Rollback
from components.spec.reading.loading import load_spec
from k8s.twin.errors import TwinError
from k8s.twin.events import Event, Events, Listener
from k8s.twin.gateway import Gateway
from k8s.twin.ports import Ports
from k8s.twin.processes import Process, Program
from k8s.twin.rollout import FailedRelease, RolloutListener, RolloutLoop
from k8s.twin.scraped import ScrapeTarget, WeightExporter, write_targets
from k8s.twin.serving import BentoPrograms, FindPackage
from k8s.twin.sync import Sync
from k8s.twin.versions import ProgramFor, RunningVersion, Versions
from k8s.twin.webhooks import Webhooks
from services.judge.actions.revert_reason import revert_reason
from services.judge.errors import JudgeError

_POLL_SECONDS = 0.5


class Twin:
    """One service's environment. Use `start` and `stop`, or a `with` block."""

    def __init__(
        self,
        spec_path: Path,
        home: Path,
        repository: Repository,
        find_package: FindPackage,
        *,
        environment: str = "twin",
        interval_seconds: float | None = None,
        judge_interval_seconds: float = 1.0,
        listener: Listener = lambda _event: None,
        on_promoted: Callable[[Release], None] = lambda _release: None,
        program_for: ProgramFor | None = None,
        port: int | None = None,
    ) -> None:
        """Prepares the twin; `start` runs it.

        Args:
            home: folder for logs, bentos and configuration; created if necessary.
            interval_seconds: time between two turns of the rollout; by default the spec's.
            program_for: makes the program that serves a release; by default a bento of its package.
            port: the gateway's port; by default a free port.

        Raises:
            SpecError: the spec cannot be used.
            TwinError: the twin does not support the spec's strategy.
        """
        spec = load_spec(spec_path)
        if spec.rollout.strategy == "shadow":
            others = "canary, shadow-then-canary and basic"
            raise TwinError(f"{spec_path}: rollout.strategy: shadow needs a cluster; the twin has {others}")
        self.service, self.repository, self.home = spec.name, repository, home.resolve()
        self.file = release_file(environment, spec.name)
        self.events = Events(self.home / "events.jsonl", listener)
        self._interval = interval_seconds or spec.rollout.interval_seconds
        self._ports = Ports()
        gateway_port = port or self._ports.take()
        judge_port, weight_port, told_port, *slots = (self._ports.take() for _ in range(5))
        self.url, self.judge_url = f"http://127.0.0.1:{gateway_port}", f"http://127.0.0.1:{judge_port}"
        self._targets = self.home / "targets.json"
        self._weight = WeightExporter(spec.name, weight_port)
        self._gateway = Gateway(gateway_port, self.home, spec.name, told_port, self._died)
        self._judged = spec.rollout.has_canary
        self._judge = Process(self._judge_program(spec_path, judge_port, judge_interval_seconds), self._died)
        programs = program_for or BentoPrograms(self.home, find_package, self._interval, spec.rollout)
        self._versions = Versions((slots[0], slots[1]), programs, self._died)
        self._rollout = RolloutLoop(
            spec.rollout,
            self._versions,
            self._gateway,
            Webhooks(self.judge_url, spec.name, environment),
            self.events,
            RolloutListener(
                lambda release: self._guarded(lambda: on_promoted(release)),
                lambda failure: self._guarded(lambda: self._revert(failure)),
                self._routed,
            ),
        )
        self._sync = Sync(repository, self.file, spec.name, self.events, self._rollout.want, self._champion_release)
        self._stop = self._rollout.stop
        self._noticed = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow_commits, name="sync", daemon=True),
            threading.Thread(target=self._take_turns, name="rollout", daemon=True),
        ]

    # --- for callers -------------------------------------------------------------------

    def start(self) -> None:
        """Starts the gateway and the judge (strategy basic has none), and follows the repository once they answer.

        Raises:
            TwinError: a process does not start; everything has been stopped again.
        """
        try:
            self._weight.start()
            self._routed(None, None, 0)
            if self._judged:
                self._judge.start()
            self._gateway.start()
            if self._judged:
                self._judge.wait_ready()
            for thread in self._threads:
                thread.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends everything, the gateway first so that requests in flight are answered. Safe to repeat."""
        self._stop.set()
        self._noticed.set()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()
        self._gateway.stop()
        self._versions.close()
        self._judge.stop()
        self._weight.stop()
        self._ports.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def deploy(self, release: Release, message: str) -> Commit:
        """Commits a release; a deployment is nothing more.

        Raises:
            GitError: Git refuses.
        """
        return self.repository.write(self.file, release_text(release), message)

    def wait_for_end(self, version: str, timeout_seconds: float) -> Event | None:
        """Waits for the event that ends a version's rollout, consequences included; None after the timeout."""
        return self.events.wait_for(lambda event: event.kind == "ended" and event.version == version, timeout_seconds)

    @property
    def champion(self) -> Release | None:
        """The release that answers now; None before the first."""
        return self._champion_release()

    # --- the two loops ------------------------------------------------------------------

    def _follow_commits(self) -> None:
        while not self._stop.is_set():
            self._guarded(self._look)
            self._stop.wait(_POLL_SECONDS)

    def _look(self) -> None:
        if self._sync.poll():
            self._noticed.set()

    def _take_turns(self) -> None:
        """Takes a turn every interval, like Flagger's ticker; a new commit starts a turn at once."""
        next_turn = time.monotonic()
        while not self._stop.is_set():
            self._noticed.clear()
            self._guarded(self._rollout.advance)
            now = time.monotonic()
            missed = max(0, (now - next_turn) // self._interval)
            next_turn += (missed + 1) * self._interval
            if self._noticed.wait(next_turn - now):
                next_turn = time.monotonic()

    def _guarded(self, step: Callable[[], None]) -> None:
        """Reports any error and lets the loop go on: a loop that died silently would look like a quiet day."""
        try:
            step()
        except (ComponentError, TwinError, JudgeError) as error:
            if not self._stop.is_set():
                self.events.emit("error", reason=str(error))
        except Exception as error:  # noqa: BLE001 -- see above
            self.events.emit("error", reason=f"{type(error).__name__}: {error}")

    # --- consequences --------------------------------------------------------------------

    def _routed(self, champion: RunningVersion | None, canary: RunningVersion | None, weight: int) -> None:
        self._weight.weight = weight
        targets = [
            ScrapeTarget(self._weight.address, "rollout", ""),
            ScrapeTarget(self._gateway.metrics_address, "gateway", ""),
        ]
        if champion is not None:
            targets.append(ScrapeTarget(champion.address, "champion", champion.release.version))
        if canary is not None:
            targets.append(ScrapeTarget(canary.address, "canary", canary.release.version))
        write_targets(self._targets, self.service, targets)

    def _revert(self, failure: FailedRelease) -> None:
        if not self._judged:
            return  # in a cluster the judge makes the revert
        release = failure.wanted.release
        reason = revert_reason(failure.reason, failure.evidence.get("signals", []))
        rollback = Rollback(release.service, release.version, release.package, failure.undecided)
        made = self.repository.revert(failure.wanted.commit, rollback.message(reason))
        if made is not None:
            facts = {"commit": made.id, "undone": failure.wanted.commit}
            self.events.emit("reverted", version=release.version, reason=made.subject, evidence=facts)

    def _champion_release(self) -> Release | None:
        champion = self._rollout.champion
        return None if champion is None else champion.release

    def _died(self, name: str, code: int) -> None:
        if not self._stop.is_set():
            self.events.emit("died", reason=f"{name} ended with {code}; it is started again")

    def _judge_program(self, spec_path: Path, port: int, interval_seconds: float) -> Program:
        options = {"--spec": spec_path.resolve(), "--targets": self._targets, "--port": port}
        options |= {"--interval-seconds": interval_seconds, "--look-seconds": self._interval}
        return Program(
            name="judge",
            command=(sys.executable, "-m", "services.judge", *(str(part) for pair in options.items() for part in pair)),
            log=self.home / "logs" / "judge.log",
            ready_url=f"{self.judge_url}/healthz",
        )
