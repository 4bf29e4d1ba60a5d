"""Step: lets a model pass only if it meets every gate of the spec."""

from kfp import dsl

from components.step import step


@step
def gate(
    spec: str,
    run: str,
    mlflow: str,
    champion: dsl.Input[dsl.Model],
    champion_version: str,
    evaluation: dsl.Input[dsl.Artifact],
    trials: dsl.Input[dsl.Artifact],
    figures: dsl.Input[dsl.Artifact],
) -> None:
    """Records a run whose model breaks a gate in MLflow, then stops it."""
    from pathlib import Path

    from components.errors import GateError
    from components.evaluation.gates import refuse_violations
    from components.evaluation.result import Evaluation
    from components.registry.package_store import named_package
    from components.spec.compatibility import refuse_narrower
    from components.spec.contract import Spec

    parsed = Spec.model_validate_json(spec)
    known = named_package(champion_version, Path(champion.path))
    found = Evaluation.model_validate_json(Path(evaluation.path).read_bytes())
    try:
        refuse_violations(found)
        if known:
            refuse_narrower(known.contract.features, parsed)
    except GateError as error:
        from components.registry.tracking import read_record, record_refusal

        record_refusal(mlflow, read_record(parsed.name, run, evaluation.path, trials.path, figures.path), str(error))
        raise
    print(f"{len(found.gates)} gates passed")
