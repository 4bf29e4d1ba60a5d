"""Step: cuts off the hold-out, so that a row's side depends on that row alone."""

from kfp import dsl

from components.step import step


@step
def split(
    spec: str,
    snapshot: str,
    store: str,
    code: str,
    train: dsl.Output[dsl.Dataset],
    holdout: dsl.Output[dsl.Dataset],
) -> None:
    """Cuts the snapshot into a training part and a hold-out that the search never sees."""
    from pathlib import Path

    from components.step import running
    from components.store.reading import kept_examples, kept_spec
    from components.table.cells import table_bytes
    from components.table.holdout import split_examples

    with running(code):
        parsed = kept_spec(store, spec)
        sides = split_examples(kept_examples(store, snapshot, parsed), parsed)
        for artifact, side in ((train, sides.train), (holdout, sides.holdout)):
            Path(artifact.path).write_bytes(table_bytes(side.frame))
            artifact.metadata = {"rows": len(side), "positives": int(side.labels.sum())}
        print(f"{len(sides.train):,} rows to train on, {len(sides.holdout):,} held out")
