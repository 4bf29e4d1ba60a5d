"""Step: cuts off the hold-out, so that a row's side depends on that row alone."""

from typing import NamedTuple

from components.models.meter import metered
from components.step import running, step
from components.store.content import Kind, Store
from components.store.reading import kept_examples, kept_spec
from components.table.cells import table_bytes
from components.table.holdout import split_examples


@step
def split(
    spec: str,
    snapshot: str,
    store: str,
    code: str,
) -> NamedTuple("Outputs", [("train", str), ("holdout", str), ("usage", str)]):  # type: ignore[valid-type]
    """Cuts the snapshot into a training part and a hold-out that the search never sees; returns their digests."""
    with running(code):
        with metered() as meter:
            parsed = kept_spec(store, spec)
            sides = split_examples(kept_examples(store, snapshot, parsed), parsed)
            print(f"{len(sides.train):,} rows to train on, {len(sides.holdout):,} held out")
            keep = Store(store)
            train, holdout = (keep.put(Kind.OBJECT, table_bytes(side.frame)) for side in (sides.train, sides.holdout))
        return train, holdout, meter.text()
