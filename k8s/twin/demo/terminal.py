"""The demo's display on a terminal: chapters, a line for each event, and the canary's current state."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from k8s.twin.events import Event
from k8s.twin.rollout import is_undecided
from k8s.twin.summary import Story, faults_found


class Terminal:
    """Writes to one console; safe to use from several threads."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.time) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._status: Status | None = None

    def chapter(self, title: str) -> None:
        """Prints the heading of a part of the story."""
        self._console.print(f"\n[bold]{escape(title)}[/bold]")

    def line(self, text: str, at: float | None = None) -> None:
        """Prints a line with the seconds since the demo began."""
        seconds = (at or self._clock()) - self._began
        self._console.print(f"[dim]{seconds:6.1f}[/dim]  {text}", highlight=False)

    def event(self, event: Event) -> None:
        """Prints an action of the twin; questions and waits appear only in `standing`."""
        text = _event_text(event)
        if text:
            self.line(text, event.at)

    def standing(self, text: str) -> None:
        """Shows the current state in place of the previous one; on a terminal only."""
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status(escape(text), spinner="dots")
            self._status.start()
        self._status.update(escape(text))

    def rest(self) -> None:
        """Removes the current state from the terminal."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def summary(self, story: Story, report: str) -> None:
        """Prints each version's fate and request counts, and whether the demo went as it should."""
        self.rest()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("version", "fate", "requests", "failed", "package"):
            table.add_column(column, justify="right" if column in {"requests", "failed"} else "left")
        for version in story.versions:
            count = story.requests.get(version.version)
            sent, failed = (f"{count.sent:,}", f"{count.failed:,}") if count else ("0", "0")
            table.add_row(version.version, version.fate, sent, failed, (version.package or "none")[:19])
        self._console.print()
        self._console.print(table)
        found = faults_found(story)
        for fault in found:
            self._console.print(f"[red]not right:[/red] {escape(fault)}")
        verdict = "[red]The demo did not go as it has to.[/red]" if found else "[green]All as it has to be.[/green]"
        self._console.print(f"\n{verdict} {story.seconds:.0f} s. Report: {escape(report)}", highlight=False)


def _event_text(event: Event) -> str:
    version, reason = f"version {event.version}", escape(event.reason)
    match event.kind:
        case "decision":
            return _decision_text(event.verdict, reason)
        case "weight":
            return f"{version} gets [bold]{event.weight} %[/bold] of the traffic" if event.weight else ""
        case "phase":
            back = f"{version} is {'taken back, undecided' if is_undecided(event.reason) else 'rolled back'}"
            return {"Succeeded": f"{version} is promoted", "Failed": back}.get(event.phase, "")
        case _:
            return _OTHERS.get(event.kind, "").format(version=version, reason=reason)


def _decision_text(verdict: str, reason: str) -> str:
    """The judge's line; a pass is shortened, because the report lists its signals."""
    if verdict == "fail":
        return f"[red]judge:[/red] {reason}"
    if verdict == "undecided":
        return f"[yellow]judge:[/yellow] {reason}"
    return f"[green]judge:[/green] {': '.join(reason.split(': ')[:2])}" if verdict == "pass" else ""


_OTHERS = {
    "commit": "commit seen: {reason}",
    "starting": "{version} is built and started ({reason})",
    "reverted": "commit made: {reason}",
    "refused": "[yellow]refused:[/yellow] {reason}",
    "died": "[yellow]died:[/yellow] {reason}",
    "error": "[yellow]error:[/yellow] {reason}",
}
