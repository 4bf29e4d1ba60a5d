"""Sentences on what became of a version: who brought it where, how its rollouts were decided, what went wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from components.package.model_package import RECEIPT
from components.releases.canary_status import FAILED, INITIALIZED, SUCCEEDED
from components.releases.rollback import rollback_of
from k8s.audit import records
from k8s.audit.records import Records, Step, commit_record, release_record
from k8s.audit.statements import Mark, Section, Statement, said, unrecorded
from k8s.report.words import count, day, listed, short

_RECEIPT: Final = f"{records.PACKAGE}/{RECEIPT}"
#: The author of canario's own commits; see `components.git.repository`.
_PROGRAM: Final = "canario@localhost"
_ENDS: Final = {
    INITIALIZED: "It became the first champion: with nobody to be compared with, it got all requests at once.",
    SUCCEEDED: "Its canary passed, and it was promoted.",
    FAILED: "Its canary failed, and the champion of then got all requests back.",
}
_ENDS_UNDECIDED: Final = "Its canary was undecided at the deadline, and the champion of then got all requests back."
#: The marks of a check's conclusions; any other is a failure. See `k8s.deploy.rollout_report`.
_CONCLUSIONS: Final[Mapping[str, Mark]] = {"success": "pass", "timed_out": "undecided"}


def chain(known: Records) -> Section:
    """The section on the chain of digests."""
    package = known.package
    signed = known.has(records.SIGNATURE)
    listing = known.has(records.MATERIALS)
    image = known.json(records.IMAGE) if known.has(records.IMAGE) else None
    return Section(
        key="chain",
        title="What it is",
        lead="The digest that every answer names in its header, and what was said about it.",
        statements=(
            said(f"The package is {package.digest}; its files are beside this page.", _RECEIPT),
            said(f"In the registry it is version {known.run['version']} of {known.run['service']}.", records.RUN),
            said("A signature lies beside the package; `make verify` holds it against a key.", records.SIGNATURE)
            if signed
            else unrecorded("nobody has signed the package."),
            said("The bill of materials of its image lists every library.", records.MATERIALS)
            if listing
            else unrecorded("no bill of materials of an image lies beside the package."),
            said(f"It is baked into the image {image['id']}, known as {image['name']}:{image['tag']}.", records.IMAGE)
            if image
            else unrecorded("no image of it was made here, or a newer one has taken its place."),
        ),
    )


def approvals(known: Records) -> Section:
    """The section on who released the version to which environment."""
    history = known.history
    steps = [step for step in history.steps if step.kind == "release"]
    statements = [_approval(known, step) for step in steps]
    if not steps:
        text = f"up to commit {short(history.head)}, no environment has asked for this package."
        statements = [unrecorded(text)]
    elif all(_PROGRAM in _who(known, step) for step in steps):
        statements.append(unrecorded("no person's name is on any of these commits; canario made them by itself."))
    return Section(
        key="approvals",
        title="Who brought it where",
        lead="Merging is deploying: an environment runs what its file in Git names, and a commit is the approval.",
        statements=tuple(statements),
    )


def _who(known: Records, step: Step) -> str:
    return known.commit(step.merge or step.commit).author


def _approval(known: Records, step: Step) -> Statement:
    made = known.commit(step.commit)
    merged = known.commit(step.merge) if step.merge else None
    by = f", and {merged.author} merged it on {day(merged.when)} by {short(step.merge or '')}" if merged else ""
    version = known.release(step).version
    text = (
        f"{made.author} asked for it in {step.environment}, as version {version}, on {day(made.when)} by commit "
        f"{short(step.commit)}{by}."
    )
    linked = [commit_record(step.commit), release_record(step)]
    linked += [commit_record(step.merge)] if step.merge else []
    return said(text, *linked, quote=made.subject)


def rollouts(known: Records) -> Section:
    """The section on how its rollouts were decided."""
    statements: list[Statement] = []
    if known.has(records.VERDICT):
        output = known.json(records.VERDICT)["output"]
        mark = _CONCLUSIONS.get(known.json(records.VERDICT)["conclusion"], "fail")
        statements.append(said(f"{output['title']}.", records.VERDICT, mark=mark, quote=output["summary"]))
    statements += _rollout(known.events)
    return Section(
        key="rollouts",
        title="How its rollouts were decided",
        lead="A canary answers a growing share of the requests while the judge compares it with the champion.",
        statements=tuple(statements) or (unrecorded("no rollout of it was recorded where this was written."),),
    )


def _rollout(events: Iterable[Mapping[str, Any]]) -> list[Statement]:
    """Each decision that is not to wait, how often it was to wait before, and how it ended."""
    found: list[Statement] = []
    waits, last = 0, ""
    for event in events:
        last = event["verdict"] if event["kind"] == "decision" else last
        if event["kind"] == "decision" and event["verdict"] == "wait":
            waits += 1
        elif event["kind"] == "decision":
            found.append(_decision(event, waits))
            waits = 0
        elif event["kind"] == "phase" and event["phase"] in _ENDS:
            found.append(_end(event, last))
    return found


def _end(event: Mapping[str, Any], verdict: str) -> Statement:
    """How a rollout ended; `verdict` is its last decision."""
    phase, when = event["phase"], day(event["at"])
    if phase == FAILED and verdict == "undecided":
        return said(f"{_ENDS_UNDECIDED} ({when})", records.EVENTS, mark="undecided")
    mark: Mark = "fail" if phase == FAILED else "pass"
    return said(f"{_ENDS[phase]} ({when})", records.EVENTS, mark=mark)


def _decision(event: Mapping[str, Any], waits: int) -> Statement:
    before = f" after {count(waits)} looks that decided nothing" if waits else ""
    text = f"At {event['weight']} % of the requests the judge said {event['verdict']}{before}."
    return said(text, records.EVENTS, mark=event["verdict"], quote=event["reason"])


def incidents(known: Records) -> Section:
    """The section on what went wrong."""
    reverts = [_revert(known, step) for step in known.history.steps if step.kind == "revert"]
    troubles = [
        said(f"{_TROUBLE[event['kind']]} on {day(event['at'])}.", records.EVENTS, mark="fail", quote=event["reason"])
        for event in known.events
        if event["kind"] in _TROUBLE
    ]
    nothing = () if reverts or troubles else (_nothing(known),)
    return Section(
        key="incidents",
        title="What went wrong",
        lead="Reverts in Git, and what the rollouts recorded as a fault.",
        statements=(*reverts, *troubles, *nothing),
    )


_TROUBLE: Final = {
    "died": "A process of it ended unasked and was started again",
    "refused": "Its release was refused",
    "error": "Something failed and was tried again",
}


def _revert(known: Records, step: Step) -> Statement:
    made = known.commit(step.commit)
    rollback = rollback_of(made.message)
    undecided = rollback is not None and rollback.undecided
    how = "taken back undecided" if undecided else "taken back"
    text = f"It was {how} in {step.environment} on {day(made.when)} by {made.author}, commit {short(step.commit)}."
    _, _, why = made.message.partition("\n\n")
    mark: Mark = "undecided" if undecided else "fail"
    return said(text, commit_record(step.commit), release_record(step), mark=mark, quote=why)


def _nothing(known: Records) -> Statement:
    """Finding nothing means something only where something would have been found."""
    looked = [(records.HISTORY, "no commit takes it back")]
    looked += [(records.EVENTS, "no event of its rollouts is a fault")] if known.events else []
    text = f"Nothing is recorded: {listed([what for _, what in looked])}."
    return said(text, *(name for name, _ in looked))
