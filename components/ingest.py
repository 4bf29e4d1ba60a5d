"""Step: reads a table from its source and keeps a copy that is addressed by its content."""

from dataclasses import dataclass

import fsspec
from kfp import dsl

from components.digest import sha256
from components.errors import DataError
from components.spec.contract import Data
from components.step import step
from components.table.cells import parse_table, read_bytes, table_bytes
from components.table.examples import negative_word


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


def take_snapshot(uri: str, data: Data) -> Snapshot:
    """Reads the table at a path or a file://, s3:// or gs:// URI.

    Raises:
        DataError: the table cannot be read, or its target does not have exactly two values.
    """
    source = read_bytes(uri)
    table = parse_table(source, uri)
    try:
        negative_word(table.frame, data)
    except DataError as error:
        raise DataError(f"{uri}: {error}") from error
    content = table_bytes(table.frame)
    return Snapshot(content, sha256(content), sha256(source), len(table.frame), table.notes)


def keep_snapshot(snapshot: Snapshot, store: str) -> str:
    """Writes the snapshot below a folder or URI, named by its digest; returns its URI."""
    uri = snapshot_uri(store, snapshot.digest)
    files, path = fsspec.core.url_to_fs(uri)
    if not files.exists(path):
        files.makedirs(files._parent(path), exist_ok=True)
        draft = f"{path}.draft"
        files.pipe_file(draft, snapshot.content)
        files.mv(draft, path)
    return uri


def snapshot_uri(store: str, digest: str) -> str:
    """The URI of the snapshot with this digest in a store."""
    return f"{store.rstrip('/')}/snapshots/{digest.removeprefix('sha256:')}.parquet"


@step
def ingest(spec: str, data: str, store: str, snapshot: dsl.Output[dsl.Dataset]) -> str:
    """Keeps a copy of the table at `data` in the store; returns the digest of the bytes that were read."""
    from components.ingest import keep_snapshot, take_snapshot
    from components.spec.contract import Spec

    taken = take_snapshot(data, Spec.model_validate_json(spec).data)
    snapshot.uri = keep_snapshot(taken, store)
    snapshot.metadata = {"digest": taken.digest, "rows": taken.rows, "notes": list(taken.notes)}
    print(f"{taken.rows:,} rows, snapshot {taken.digest}")
    return taken.source_digest
