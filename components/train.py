"""Step: fits the best candidate to the whole training part and exports its graph."""

from kfp import dsl

from components.step import step


@step
def train(
    spec: str,
    store: str,
    code: str,
    train: dsl.Input[dsl.Dataset],
    trials: dsl.Input[dsl.Artifact],
    model: dsl.Output[dsl.Model],
) -> None:
    """Fits the best trial to the whole training part, by several workers if the spec asks for them.

    Writes its ONNX graph and `fit.json`.
    """
    from pathlib import Path

    from components.jobs.together import keep_inputs, train_together
    from components.models.trained import FIT
    from components.models.training import train_candidate
    from components.models.trials import Search
    from components.package.model_package import MODEL
    from components.step import running
    from components.store.reading import kept_spec
    from components.table.examples import load_examples

    with running(code):
        parsed = kept_spec(store, spec)
        best = Search.model_validate_json(Path(trials.path).read_bytes()).best
        workers = parsed.training.workers
        if workers > 1:
            files = {"train": Path(train.path), "trials": Path(trials.path)}
            made = train_together(parsed, keep_inputs(store, code, spec, files, workers))
        else:
            made = train_candidate(load_examples(Path(train.path), parsed), parsed, best)
        folder = Path(model.path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MODEL).write_bytes(made.model)
        (folder / FIT).write_text(made.fit.model_dump_json(indent=2), encoding="utf-8")
        model.framework = made.fit.candidate
        model.metadata["workers"], model.metadata["resumed_after"] = made.fit.workers, made.fit.resumed_after
        print(f"{made.fit.candidate} fitted to {made.fit.rows:,} rows, graph within {made.fit.parity:.0e}")
