"""The offline gates of a spec, which a model must pass on the hold-out before it is registered."""

from collections.abc import Callable

from components.errors import GateError
from components.evaluation.result import Evaluation, GateResult
from components.evaluation.versus_champion import compared_with_champion
from components.spec.contract import MinimumGate, SizeGate, Spec
from components.spec.tasks import measured

#: Metrics with a gate that say too little of how good a model is, or cannot always be measured.
_NOT_COMPARED = ("calibration_error", "mean_absolute_percentage_error")


def check_gates(evaluation: Evaluation, spec: Spec) -> tuple[GateResult, ...]:
    """The result of every gate of a spec; a value that could not be measured does not pass."""
    checks: tuple[Callable[[Evaluation, Spec], list[GateResult]], ...] = (
        _minima, _versus_champion, _maxima, _fairness, _behaviour,
    )  # fmt: skip
    return tuple(result for check in checks for result in check(evaluation, spec))


def _minima(evaluation: Evaluation, spec: Spec) -> list[GateResult]:
    found = [
        (name, _measured(evaluation, name), gate)
        for name, gate in spec.gates.of_metrics().items()
        if isinstance(gate, MinimumGate)
    ]
    return [
        GateResult(
            gate=name, value=value, limit=f"at least {gate.min:g}", passed=value is not None and value >= gate.min
        )
        for name, value, gate in found
    ]


def _measured(evaluation: Evaluation, metric: str) -> float | None:
    known = evaluation.metrics.get(metric)
    return known.value if known else None


def _maxima(evaluation: Evaluation, spec: Spec) -> list[GateResult]:
    gates = spec.gates
    found = [
        *(
            (name, _measured(evaluation, name), gate)
            for name, gate in gates.of_metrics().items()
            if isinstance(gate, SizeGate)
        ),
        ("latency_p99_ms", evaluation.speed.p99_ms, gates.latency_p99_ms),
        ("package_mib", evaluation.package_mib, gates.package_mib),
    ]
    return [
        GateResult(
            gate=name, value=value, limit=f"at most {gate.max:g}", passed=value is not None and value <= gate.max
        )
        for name, value, gate in found
        if gate
    ]


def first_metric(spec: Spec) -> str:
    """The metric for the comparison with the champion: the first that has a gate, else the search's."""
    named = (name for name in spec.gates.of_metrics() if name not in _NOT_COMPARED)
    return next(named, measured(spec.training.metric))


def _versus_champion(evaluation: Evaluation, spec: Spec) -> list[GateResult]:
    asked, known = spec.gates.versus_champion, evaluation.champion
    if asked is None or known is None:
        return []
    return [compared_with_champion(evaluation, known, first_metric(spec), asked.max_loss)]


def _fairness(evaluation: Evaluation, spec: Spec) -> list[GateResult]:
    gate = spec.gates.fairness
    if gate is None:
        return []
    few = f"fewer than two groups have {gate.min_group_positives} positives in the hold-out"
    return [
        GateResult(
            gate=f"fairness by {found.by}",
            value=found.gap,
            limit=f"at most {gate.max_equal_opportunity_gap:g}",
            passed=found.gap is not None and found.gap <= gate.max_equal_opportunity_gap,
            detail="gap of true positive ratios" if found.gap is not None else f"cannot be judged: {few}",
        )
        for found in evaluation.fairness
    ]


def _behaviour(evaluation: Evaluation, spec: Spec) -> list[GateResult]:
    rules = spec.gates.behaviour
    if rules is None:
        return []
    flips = [
        GateResult(
            gate=f"invariance of {found.feature}",
            value=found.ratio,
            limit=f"at most {rules.max_flip_ratio:g}",
            passed=found.ratio <= rules.max_flip_ratio,
            detail="share of labels that change with it",
        )
        for found in evaluation.invariance
    ]
    trends = [
        GateResult(
            gate=f"direction of {found.feature}" + ("" if found.of is None else f" for {found.of}"),
            value=found.share,
            limit=f"at least {rule.min_share:g}",
            passed=found.share >= rule.min_share,
            detail=f"share of rows whose score does not {'fall' if rule.raises else 'rise'} with it",
        )
        for found, rule in zip(evaluation.direction, rules.direction, strict=True)
    ]
    return [*flips, *trends]


def refuse_violations(evaluation: Evaluation) -> None:
    """Refuses a model that failed a gate.

    Raises:
        GateError: lists every failed gate with its value and limit.
    """
    violations = [gate for gate in evaluation.gates if not gate.passed]
    if violations:
        lines = [f"- {violation(gate)}" for gate in violations]
        raise GateError(f"the {evaluation.candidate} model did not pass {len(lines)} gates:\n" + "\n".join(lines))


def violation(gate: GateResult) -> str:
    """A sentence about a failed gate."""
    value = "not measured" if gate.value is None else f"{gate.value:.4g}"
    return f"{gate.gate}: {value}, must be {gate.limit}" + (f" ({gate.detail})" if gate.detail else "")
