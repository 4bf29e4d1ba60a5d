"""Step: reads a table from its source and keeps a copy that is addressed by its content."""

from dataclasses import dataclass
from typing import NamedTuple

from components.digest import sha256
from components.errors import DataError
from components.models.meter import metered
from components.registry.model_registry import champion
from components.registry.package_store import keep_registered
from components.registry.provenance import run_name
from components.spec.contract import Spec
from components.spec.views import learning_view, table_view
from components.step import running, step
from components.store.content import Kind, Store
from components.store.packed import unpack_spec
from components.store.reading import keep_spec
from components.table.cells import parse_table, read_bytes, table_bytes
from components.table.examples import answered_rows
from components.table.target import labels_of
from components.table.wording import reading_of


@dataclass(frozen=True)
class Snapshot:
    """The state of a table at one moment.

    Attributes:
        content: Parquet, every column in one of the three kinds of `components.table.cells`.
        digest: digest of `content`; the snapshot's identity.
        source_digest: digest of the bytes that were read.
        rows: number of rows.
        notes: remarks for a person on how the table was read.
    """

    content: bytes
    digest: str
    source_digest: str
    rows: int
    notes: tuple[str, ...]


def take_snapshot(uri: str, spec: Spec) -> Snapshot:
    """Reads the table at a path or a file://, s3:// or gs:// URI.

    Raises:
        DataError: the table cannot be read, or its target is not what `data` says.
    """
    source = read_bytes(uri)
    table = parse_table(source, uri, reading_of(spec))
    answered, _ = answered_rows(table.frame, spec.data.target)
    try:
        labels_of(answered, spec.data)
    except DataError as error:
        raise DataError(f"{uri}: {error}") from error
    content = table_bytes(table.frame)
    notes = (*table.notes, *_left_out(len(table.frame), len(answered)))
    return Snapshot(content, sha256(content), sha256(source), len(table.frame), notes)


def _left_out(rows: int, answered: int) -> list[str]:
    return [f"{rows - answered:,} of {rows:,} rows have no target, and are left out"] if answered < rows else []


@step
def ingest(spec: str, data: str, run: str, mlflow: str, store: str, code: str) -> NamedTuple(  # type: ignore[valid-type]
    "Outputs",
    [
        *(("run", str), ("snapshot", str), ("rows", int), ("source", str)),
        *(("told", str), ("seen", str), ("learned", str)),
        *(("version", str), ("champion", str), ("reference", str), ("usage", str)),
    ],
):
    """Keeps the table at `data`, the spec and the champion in the store; returns the run's name and their digests.

    What comes from outside a run comes in here, so that the steps from here to the gate look at their inputs alone.

    `told` is the whole spec, `seen` and `learned` are the views that the steps before packaging read. Without a name
    of its own, the run is named after code, spec and snapshot: the same three are the same run. `version`, `champion`
    and `reference` are the champion's version, package and data, and "" if there is no champion.
    """
    with running(code):
        with metered() as meter:
            keep = Store(store)
            whole = unpack_spec(spec, store)
            taken = take_snapshot(data, whole)
            snapshot = keep.put(Kind.SNAPSHOT, taken.content)
            told, seen, learned = (keep_spec(keep, view) for view in (whole, table_view(whole), learning_view(whole)))
            name = run or run_name(whole, code, snapshot)
            known = champion(mlflow, whole.name)
            if known:
                keep_registered(known, mlflow, keep)
            print("".join(f"note: {note}\n" for note in taken.notes) + f"{taken.rows:,} rows, snapshot {snapshot}")
            print(f"champion is version {known.version}, package {known.package}" if known else "no champion yet")
            named = (known.version, known.package, known.snapshot) if known else ("", "", "")
        return name, snapshot, taken.rows, taken.source_digest, told, seen, learned, *named, meter.text()
