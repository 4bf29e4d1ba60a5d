"""Step: lets a model pass only if it meets every gate of the spec."""

import tempfile
from pathlib import Path

from components.errors import GateError
from components.evaluation.gates import refuse_violations
from components.evaluation.result import Evaluation
from components.registry.package_store import named_package
from components.registry.tracking import KeptResults, kept_record, record_refusal
from components.spec.compatibility import refuse_narrower
from components.step import running, step
from components.store.content import Store
from components.store.reading import kept_document, kept_spec


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
) -> None:
    """Records a run whose model breaks a gate in MLflow, then stops it."""
    with running(code), tempfile.TemporaryDirectory() as folder:
        parsed = kept_spec(store, spec)
        known = named_package(champion_version, Store(store), champion, Path(folder, "champion"))
        found = kept_document(store, evaluation, Evaluation)
        try:
            refuse_violations(found)
            if known:
                refuse_narrower(known.contract.features, parsed)
        except GateError as error:
            early = {"ingest": ingest_usage, "validate": validate_usage, "split": split_usage}
            results = KeptResults(evaluation, trials, figures, early)
            record = kept_record(store, parsed.name, run, results, Path(folder, "figures"))
            record_refusal(mlflow, record, str(error))
            raise
        print(f"{len(found.gates)} gates passed")
