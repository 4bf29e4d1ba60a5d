"""Step: lets a model pass only if it meets every gate of the spec."""

from kfp import dsl

from components.step import step


@step
def gate(
    spec: str,
    run: str,
    mlflow: str,
    store: str,
    code: str,
    champion_version: str,
    champion: str,
    evaluation: dsl.Input[dsl.Artifact],
    trials: dsl.Input[dsl.Artifact],
    figures: dsl.Input[dsl.Artifact],
) -> None:
    """Records a run whose model breaks a gate in MLflow, then stops it."""
    import tempfile
    from pathlib import Path

    from components.errors import GateError
    from components.evaluation.gates import refuse_violations
    from components.evaluation.result import Evaluation
    from components.registry.package_store import named_package
    from components.spec.compatibility import refuse_narrower
    from components.step import running
    from components.store.content import Store
    from components.store.reading import kept_spec

    with running(code), tempfile.TemporaryDirectory() as folder:
        parsed = kept_spec(store, spec)
        known = named_package(champion_version, Store(store), champion, Path(folder, "champion"))
        found = Evaluation.model_validate_json(Path(evaluation.path).read_bytes())
        try:
            refuse_violations(found)
            if known:
                refuse_narrower(known.contract.features, parsed)
        except GateError as error:
            from components.registry.tracking import read_record, record_refusal

            record = read_record(parsed.name, run, evaluation.path, trials.path, figures.path)
            record_refusal(mlflow, record, str(error))
            raise
        print(f"{len(found.gates)} gates passed")
