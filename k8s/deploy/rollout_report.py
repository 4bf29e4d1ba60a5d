"""Waits until a merged release has ended its rollout, and writes the report for its pull request.

Where Flux does not follow the environment, the release is first deployed to its cluster.

    python -m k8s.deploy.rollout_report --spec services/churn/service.yaml --env staging --commit ID --out build/verdict

Files in --out afterwards: `comment.md`, and `check.json` as GitHub's check runs are created
(docs.github.com/en/rest/checks/runs). What could not be asked for is a failure, and says so.
Ends with 0 only for a release that answers now.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from components.errors import SpecError
from components.files import write_atomically
from components.releases.release_file import Release, release_file
from components.spec.reading.loading import load_spec
from k8s.cluster.glass import broken_glass
from k8s.cluster.kubectl import get_json
from k8s.cluster.retry import retry
from k8s.deploy import flux_sync
from k8s.deploy.__main__ import deploy
from k8s.errors import ClusterError, DeployError, ToolError
from k8s.release.errors import PromotionError
from k8s.release.service_status import ServiceStatus, status_in_cluster
from k8s.rendering.environment_files import read_platform, read_release

_ROOT = Path(__file__).resolve().parents[2]
#: Events of the judge beside a Canary; `services/judge/actions/consequences.py` writes them.
_WORDS: Final = "Judge"
_SHOWN: Final = 5
_SECONDS: Final = 30
#: The time in which the cluster must say how the rollout ended.
_LAST_SECONDS: Final = 120.0

Outcome = Literal["promoted", "first", "refused", "rolled back", "undecided", "under way", "not known"]

#: GitHub's conclusions; `timed_out` does not let a required check pass (`neutral` would).
_CONCLUSIONS: Final[Mapping[Outcome, str]] = {"promoted": "success", "first": "success", "undecided": "timed_out"}


@dataclass(frozen=True)
class RolloutReport:
    """The end of a release in one sentence, and the judge's own words, newest last."""

    outcome: Outcome
    title: str
    words: tuple[str, ...]
    #: Why the cluster did not take the release, and who broke the glass; each empty if that is not so.
    refusal: str = ""
    glass: str = ""

    @property
    def good(self) -> bool:
        """Whether the release answers now."""
        return self.outcome in ("promoted", "first")

    def comment(self) -> str:
        """The comment; the judge's words are indented, so that they are neither markup nor mentions."""
        said = "".join(f"    {' '.join(word.split())}\n" for word in self.words)
        told = f"The judge said:\n\n{said}" if said else "The judge said nothing.\n"
        if self.refusal:
            told = f"The cluster said:\n\n    {' '.join(self.refusal.split())}\n"
        if self.glass:
            told += f"\nNo signature was checked, the glass is:\n\n    {' '.join(self.glass.split())}\n"
        return f"**{self.title}**\n\n{told}"

    def check(self, name: str, commit: str) -> dict[str, Any]:
        """A completed check run of a commit."""
        return {
            "name": name,
            "head_sha": commit,
            "status": "completed",
            "conclusion": _CONCLUSIONS.get(self.outcome, "failure"),
            "output": {"title": self.title, "summary": self.comment()},
        }


def report(release: Release, environment: str, standing: ServiceStatus | str, words: Sequence[str]) -> RolloutReport:
    """Reports how a release ended, by the version that answers now; a text as `standing` says why that is unknown."""
    what = f"{release.service} version {release.version} in {environment}"
    if isinstance(standing, str):
        return RolloutReport("not known", f"{what}: how it ended is not known: {standing}", tuple(words))
    said = tuple(words[-_SHOWN:])
    if standing.under_way:
        return RolloutReport("under way", f"{what}: not decided yet, {standing.version} keeps serving", said)
    if (standing.version, standing.package) != (release.version, release.package):
        keeps = f"version {standing.version} keeps serving"
        if _is_undecided(words):
            title = f"{what}: undecided at its deadline, {keeps}; the same package may be tried again"
            return RolloutReport("undecided", title, said)
        return RolloutReport("rolled back", f"{what}: rolled back, {keeps}", said)
    if standing.passed:
        return RolloutReport("promoted", f"{what}: its canary passed, it serves now", said)
    return RolloutReport("first", f"{what}: it serves; a first version is compared with nobody", said)


def _is_undecided(words: Sequence[str]) -> bool:
    """Whether the judge ended the rollout without having seen harm."""
    kinds = {word.partition(":")[0] for word in words}
    return "undecided" in kinds and "fail" not in kinds


def judges_words(events: Sequence[dict[str, Any]], since: datetime) -> list[str]:
    """The judge's messages about a Canary since a time, in order, each once and after its kind."""
    mine = [event for event in events if event["reason"].startswith(_WORDS) and _time(event) >= since]
    told = [f"{event['reason'].removeprefix(_WORDS).lower()}: {event['message']}" for event in sorted(mine, key=_time)]
    return list(dict.fromkeys(told))


def _time(event: dict[str, Any]) -> datetime:
    """The time of an Event, in whole seconds as a cluster counts them."""
    text = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(text).replace(microsecond=0)


def _events(service: str, namespace: str) -> list[dict[str, Any]]:
    """The Events about a Canary.

    Raises:
        PromotionError: the cluster cannot be asked.
    """
    about = f"involvedObject.kind=Canary,involvedObject.name={service}"
    try:
        return list(get_json("-n", namespace, "get", "events", "--field-selector", about, seconds=_SECONDS)["items"])
    except (ClusterError, ToolError, ValueError, KeyError) as error:
        raise PromotionError(f"what the judge said cannot be read ({error})") from error


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 0 only for a release that answers now."""
    args = _parser().parse_args(arguments)
    try:
        service = load_spec(args.spec).name
        release = read_release(args.root / release_file(args.env, service), service)
        namespace = read_platform(args.root / "k8s" / "envs" / args.env / "platform.yaml").namespace
    except (SpecError, DeployError) as error:
        print(error, file=sys.stderr)
        return 2
    began = datetime.now(UTC).replace(microsecond=0)
    problem = _problem(release, namespace, args)
    found = _looked(release, args.env, namespace, began, problem=problem)
    _write(found, args.out, f"rollout of {service} to {args.env}", args.commit)
    print(found.comment())
    return 0 if found.good else 1


def _problem(release: Release, namespace: str, args: argparse.Namespace) -> DeployError | None:
    """Deploys the release, or waits for Flux to do so; returns why its rollout did not end, if it did not."""
    try:
        limit = time.monotonic() + args.timeout_seconds
        if retry(lambda: flux_sync.is_followed(args.env), ClusterError, limit, _say):
            flux_sync.follow(release, args.env, namespace, args.timeout_seconds, _say)
            return None
        told = ["--spec", str(args.spec), "--env", args.env, "--follow", "--timeout-seconds", str(args.timeout_seconds)]
        deploy([*told, "--root", str(args.root)])
    except DeployError as error:
        print(error, file=sys.stderr)
        return error
    return None


def _looked(
    release: Release, environment: str, namespace: str, began: datetime, *, problem: DeployError | None
) -> RolloutReport:
    """Reports the end; after a failed deployment it still reads who answers, but never reports success."""
    try:
        limit = time.monotonic() + _LAST_SECONDS
        events = retry(lambda: _events(release.service, namespace), PromotionError, limit, _say)
        words = judges_words(events, began)
        glass = retry(lambda: broken_glass(namespace), ClusterError, limit, _say)
        standing = _standing(release.service, namespace, limit)
        found = replace(report(release, environment, standing, words), glass=glass)
    except (PromotionError, ClusterError) as error:
        return report(release, environment, str(error), ())
    return with_problem(found, release, environment, problem) if problem else found


def with_problem(found: RolloutReport, release: Release, environment: str, problem: DeployError) -> RolloutReport:
    """The report of a deployment that failed: it names what the cluster refused, and never success."""
    what = f"{release.service} version {release.version} in {environment}"
    if isinstance(problem, ClusterError) and found.outcome in ("rolled back", "not known"):
        return replace(found, outcome="refused", title=f"{what}: the cluster did not take it", refusal=str(problem))
    if found.good:
        title = f"{what}: how it ended is not known: the deployment failed, see its log"
        return replace(found, outcome="not known", title=title)
    return found


def _standing(service: str, namespace: str, limit: float) -> ServiceStatus | str:
    """How the service stands; a text where there is none, because its first version was refused."""
    try:
        return retry(lambda: status_in_cluster(service, namespace), PromotionError, limit, _say)
    except PromotionError as error:
        return str(error)


def _say(line: str) -> None:
    print(line, flush=True)


def _write(found: RolloutReport, folder: Path, name: str, commit: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "comment.md", found.comment())
    write_atomically(folder / "check.json", json.dumps(found.check(name, commit), indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.deploy.rollout_report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--spec", type=Path, required=True, help="a service.yaml")
    parser.add_argument("--env", required=True, help="a folder of k8s/envs")
    parser.add_argument("--commit", required=True, help="the commit that the check is of")
    parser.add_argument("--out", type=Path, required=True, help="folder for the two files")
    parser.add_argument("--timeout-seconds", type=float, default=4500, help="to wait for the end (default 4500)")
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
