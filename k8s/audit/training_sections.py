"""Sentences on a version's purpose, its ingredients, and its results before it got any traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from components.evaluation.result import Fairness, GateResult, Group, NumberGroup
from components.package.answers import ClassTarget, NumberTarget
from components.package.model_package import CONTRACT, GOLDEN, MODEL, RECEIPT, Contract
from components.registry.step_usage import late_usage
from components.spec.tasks import Task
from k8s.audit import records
from k8s.audit.records import Records
from k8s.audit.statements import Section, Statement, said, unrecorded
from k8s.report.words import CANDIDATES, GATES, METRICS, count, listed, money, number, percent, usage

_RECEIPT = f"{records.PACKAGE}/{RECEIPT}"
_CONTRACT = f"{records.PACKAGE}/{CONTRACT}"
_GOLDEN = f"{records.PACKAGE}/{GOLDEN}"
_MODEL = f"{records.PACKAGE}/{MODEL}"


def purpose(known: Records) -> Section:
    """The section on the model's purpose."""
    contract, spec = known.package.contract, known.package.receipt.spec
    asked = [said(f"It answers the question: {contract.description}", _CONTRACT)] if contract.description else []
    used = said(f"Its purpose: {spec['purpose']}", _RECEIPT) if spec.get("purpose") else None
    owner = said(f"It is answered for by {spec['owner']}.", _RECEIPT) if spec.get("owner") else None
    return Section(
        key="purpose",
        title="What it is for",
        lead="The team's own words, as they stood in the spec when it was trained.",
        statements=(
            *(asked or [unrecorded("the spec had no description when it was trained.")]),
            used or unrecorded("the spec had no purpose when it was trained."),
            owner or unrecorded("the spec named no owner when it was trained."),
            said(f"From {len(contract.features)} features it gives {_answer(contract)}.", _CONTRACT),
        ),
    )


def _answer(contract: Contract) -> str:
    """What it answers, by its target."""
    target = contract.target
    if isinstance(target, NumberTarget):
        return f"a value of {target.name}{f' in {target.unit}' if target.unit else ''}, with an interval around it"
    if isinstance(target, ClassTarget):
        classes = listed(list(target.classes))
        return f"the probability that {target.name} is each of {classes}, and names the most likely one"
    return f"the probability that {target.name} is {target.positive}, and calls it so from {contract.threshold:g} on"


def data(known: Records) -> Section:
    """The section on the training data."""
    receipt = known.package.receipt
    about = receipt.spec.get("data")
    source = about.get("source") if isinstance(about, dict) else None
    read = known.run["tags"].get("canario.source")
    return Section(
        key="data",
        title="The data that it learned from",
        lead="The data itself is not beside this page, for it may be about people; its digest is.",
        statements=(
            said(f"Source: {source}", _RECEIPT) if source else unrecorded("the spec named no source of the table."),
            said(f"It learned from the snapshot {receipt.data}.", _RECEIPT, records.RUN),
            said(f"The snapshot was taken from a table with the digest {read}.", records.RUN)
            if read
            else unrecorded("the digest of the bytes that the snapshot was taken from."),
            _kept(known),
            _validation(known),
            said(
                f"{count(known.evaluation.rows)} rows were held out of the search and the training{_positives(known)}.",
                records.EVALUATION,
            ),
        ),
    )


def _positives(known: Records) -> str:
    positives = known.evaluation.positives
    return "" if positives is None else f"; {count(positives)} of them are positive"


def _kept(known: Records) -> Statement:
    found = known.snapshot
    if found.digest is None:
        text = "The store has the snapshot no more, so the version cannot be trained again."
        return said(text, records.SNAPSHOT, mark="fail")
    if found.digest != found.named:
        return said(f"The store's snapshot was changed: it is {found.digest} now.", records.SNAPSHOT, mark="fail")
    rows = f" of {count(found.rows)} rows" if found.rows is not None else ""
    return said(
        f"The store still had that snapshot{rows}, byte for byte, when this was written.",
        records.SNAPSHOT,
        mark="pass",
    )


def _validation(known: Records) -> Statement:
    if not known.has(records.VALIDATION):
        return unrecorded("what validation found in the data was not kept with the run.")
    found = (known.folder / records.VALIDATION).read_text(encoding="utf-8")
    notes = "\n".join(line for line in found.splitlines() if line.startswith("- "))
    text = f"Validation let it through: cells, copies, leaks and shift are within their limits. {found.splitlines()[0]}"
    return said(text, records.VALIDATION, mark="pass", quote=notes)


def training(known: Records) -> Section:
    """The section on the training."""
    receipt, run = known.package.receipt, known.run
    return Section(
        key="training",
        title="How it was made",
        lead="What trained it, and whether it can be made again.",
        statements=(
            _code(receipt.code),
            said(f"Its libraries are those of the lock file {receipt.lock}.", _RECEIPT),
            said(f"The training run is {receipt.run}, in the registry {run['run_id']}.", _RECEIPT, records.RUN),
            _search(known),
            _machine(known),
            *_usage(known),
            said(f"The model is {receipt.files[MODEL]}.", _RECEIPT, _MODEL),
            _replayed(known),
        ),
    )


def _code(commit: str) -> Statement:
    if commit.endswith("-changed"):
        text = (
            f"It was trained by files that differed from commit {commit.removesuffix('-changed')}; no commit has them."
        )
        return said(text, _RECEIPT, mark="fail")
    if commit.startswith("sha256:"):
        return said(f"It was trained by code that is in no commit, with the digest {commit}.", _RECEIPT, mark="fail")
    return said(f"It was trained by commit {commit}, with no file changed.", _RECEIPT, mark="pass")


def _search(known: Records) -> Statement:
    receipt, tried = known.package.receipt, len(known.run["trials"])
    kind = CANDIDATES.get(receipt.candidate, receipt.candidate)
    with_ = ", ".join(f"{name} {value}" for name, value in receipt.parameters.items())
    text = f"{kind}{f' with {with_}' if with_ else ''} was the best of {count(tried)} trial{'s' * (tried != 1)}."
    return said(text, _RECEIPT, records.RUN)


def _machine(known: Records) -> Statement:
    machine = known.evaluation.machine
    if machine is None:
        return unrecorded("the machine that trained it.")
    text = (
        f"It was fitted on {machine.system} {machine.architecture}, {machine.processor}, {machine.threads} threads, "
        f"Python {machine.python}."
    )
    return said(text, records.EVALUATION)


def _usage(known: Records) -> list[Statement]:
    """What the measured steps asked for and used; nothing in the records of older versions."""
    late = late_usage(known.run["metrics"])
    return [
        said(f"The step {step} asked for {found.asked} and computed on {found.used}: {usage(found)}.", record)
        for used, record in ((known.evaluation.usage, records.EVALUATION), (late, records.RUN))
        for step, found in used.items()
    ]


def _replayed(known: Records) -> Statement:
    if not known.has(records.REPLAY):
        return unrecorded("nobody has made it again from its receipt yet.")
    found = known.json(records.REPLAY)
    if found["verdict"] == "equal":
        text = "It was made again from its receipt without a network, and is equal to the last byte."
        return said(text, records.REPLAY, mark="pass")
    causes = "; ".join(found["causes"]) or "no cause that may excuse it was found"
    text = (
        f"Made again, its answers are up to {found['furthest']:.1e} off, {found['tolerance']:.0e} is allowed; {causes}."
    )
    return said(text, records.REPLAY, mark="pass" if found["verdict"] == "within tolerance" else "fail")


def tests(known: Records) -> Section:
    """The section on the gates."""
    gates = [gate for gate in known.evaluation.gates if not gate.gate.startswith("fairness")]
    return Section(
        key="tests",
        title="What it had to show before anybody met it",
        lead="Measured on rows that neither it nor its search had seen.",
        statements=(
            *(
                said(
                    f"{_metric(name)}: {number(found.value)}, between {number(found.low)} and {number(found.high)} in "
                    "the middle 95 % of bootstrap samples.",
                    records.EVALUATION,
                )
                for name, found in known.evaluation.metrics.items()
            ),
            *_decided(known),
            _compared(known),
            *(said(f"Callers may notice: {change}.", records.EVALUATION) for change in known.evaluation.told),
            *(map(_gate, gates) if gates else [unrecorded("the spec demanded no gate.")]),
            said(
                f"{count(len(known.package.golden))} golden requests with their answers are kept in the package, and "
                f"every start answers them again, at most {known.package.receipt.tolerance:g} off.",
                _GOLDEN,
                _RECEIPT,
            ),
        ),
    )


def _decided(known: Records) -> list[Statement]:
    """What its answers decide, how that was found, and what it is worth beside the simplest rule."""
    found = known.evaluation.decision
    if found is None:
        return []
    rule, statements = found.rule, []
    way = "as the spec says" if rule.threshold is not None else "found in the training part by cross-validation"
    if rule.capacity:
        way += f", so that at most {count(rule.capacity.decisions)} of {count(rule.capacity.of)} rows get it"
    text = f"A yes begins at {found.threshold:g}, {way}; {percent(found.share)} of the held-out rows get one."
    statements.append(said(text, records.EVALUATION, _CONTRACT))
    if rule.value and found.gain and found.simplest:
        currency = rule.value.currency
        each = ", ".join(
            f"{name.replace('_', ' ')} {money(getattr(rule.value, name), currency)}"
            for name in ("true_positive", "false_positive", "false_negative", "true_negative")
        )
        gain = " to ".join(money(end, currency) for end in (found.gain.low, found.gain.high))
        text = (
            f"With {each}, 1,000 of its answers are worth {money(found.gain.value, currency)} more than "
            f"{found.simplest.name}, which is worth {money(found.simplest.value, currency)}; between {gain} in the "
            "middle 95 % of bootstrap samples."
        )
        statements.append(said(text, records.EVALUATION))
    return statements


def _metric(name: str) -> str:
    called = METRICS.get(name, name)
    return called[:1].upper() + called[1:]


def _compared(known: Records) -> Statement:
    compared = known.evaluation.champion
    if compared is None:
        return said("It was compared with no champion, for there was none.", records.EVALUATION, _RECEIPT)
    differences = [f"{METRICS.get(name, name)} {number(found.value)}" for name, found in compared.difference.items()]
    text = f"On the same rows it differs from the champion of then, {compared.package}, by: {listed(differences)}."
    return said(text, records.EVALUATION, _RECEIPT)


def _gate(gate: GateResult) -> Statement:
    name = GATES.get(gate.gate, gate.gate)
    value = "not measurable" if gate.value is None else number(gate.value)
    detail = f" ({gate.detail})" if gate.detail else ""
    text = f"Gate {name}: {value}, must be {gate.limit}{detail}."
    return said(text, records.EVALUATION, mark="pass" if gate.passed else "fail")


def fairness(known: Records) -> Section:
    """The section on the treatment of groups."""
    gates = {gate.gate: gate for gate in known.evaluation.gates}
    statements: list[Statement] = []
    for found in known.evaluation.fairness:
        gate = gates.get(f"fairness by {found.by}")
        statements += [_gate(gate)] if gate else []
        statements += _groups(found)
    return Section(
        key="fairness",
        title="How it treats groups",
        lead=_LEADS[known.evaluation.task],
        statements=tuple(statements) or (unrecorded("the spec compared no groups."),),
    )


_LEADS: Final[Mapping[Task, str]] = {
    "binary": "Equal opportunity: of those who are positive, which share is found in each group.",
    "multiclass": "Equal opportunity: of the rows of each class, which share is found in each group.",
    "regression": "How far its values are from the truth in each group.",
}


def _groups(found: Fairness) -> list[Statement]:
    return [said(_group(found.by, group), records.EVALUATION) for group in found.groups]


def _group(by: str, group: Group | NumberGroup) -> str:
    if isinstance(group, NumberGroup):
        side = "above" if group.mean_error > 0 else "below"
        return (
            f"{by} {group.value}: {number(group.mean_absolute_error)} off the truth on average over "
            f"{count(group.rows)} rows, and {number(abs(group.mean_error))} {side} it in the mean."
        )
    ratio = group.true_positive_ratio
    share = "none" if ratio is None else percent(ratio)
    positives, word = ("positives", "positive") if group.answer is None else (f"rows of {group.answer}", group.answer)
    named = f"{percent(group.named_positive_ratio)} of {count(group.rows)} rows are named {word}"
    return f"{by} {group.value}: {share} of {count(group.positives)} {positives} are found; {named}."
