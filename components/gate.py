"""Step: lets a model pass only if it meets every gate of the spec."""

import tempfile
from pathlib import Path

from components.errors import GateError
from components.evaluation.gates import refuse_violations
from components.evaluation.result import Evaluation
from components.models.meter import metered
from components.models.usage import joined
from components.package.model_package import Package
from components.registry.package_store import named_package
from components.registry.tracking import KeptResults, kept_record, record_refusal
from components.spec.compatibility import refuse_narrower
from components.spec.contract import Spec
from components.step import running, step
from components.store.content import Store
from components.store.reading import kept_document, kept_spec


def _broken_gate(found: Evaluation, known: Package | None, spec: Spec) -> GateError | None:
    """The gate that a model breaks, or None; `known` is the champion's package."""
    try:
        refuse_violations(found)
        if known:
            refuse_narrower(known.contract.features, known.contract.answered, spec)
    except GateError as error:
        return error
    return None


@step
def gate(
    spec: str,
    run: str,
    mlflow: str,
    store: str,
    code: str,
    champion_version: str,
    champion: str,
    evaluation: str,
    trials: str,
    figures: str,
    ingest_usage: str,
    validate_usage: str,
    split_usage: str,
) -> str:
    """Records a run whose model breaks a gate in MLflow, then stops it.

    Returns what this step and those that handed it their own used, as a JSON object by step.
    """
    with running(code), tempfile.TemporaryDirectory() as folder:
        with metered() as meter:
            parsed = kept_spec(store, spec)
            known = named_package(champion_version, Store(store), champion, Path(folder, "champion"))
            found = kept_document(store, evaluation, Evaluation)
            broken = _broken_gate(found, known, parsed)
        early = {"ingest": ingest_usage, "validate": validate_usage, "split": split_usage}
        used = joined({**early, "gate": meter.text()})
        if broken:
            results = KeptResults(evaluation, trials, figures, used)
            record = kept_record(store, parsed.name, run, results, Path(folder, "figures"))
            record_refusal(mlflow, record, str(broken))
            raise broken
        for change in found.told:
            print(f"callers may notice: {change}")
        print(f"{len(found.gates)} gates passed")
        return used
