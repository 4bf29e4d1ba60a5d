"""Reads specs and tables of the store.

A step gets the address of a spec: a workflow that carried the text in nine steps was too large for Kubeflow's API.
"""

from __future__ import annotations

from components.spec.contract import Spec
from components.store.content import Kind, Store
from components.table.cells import parse_table
from components.table.examples import Examples, examples_of


def spec_bytes(spec: Spec) -> bytes:
    """The bytes of a spec in the store."""
    return spec.model_dump_json().encode()


def keep_spec(store: Store, spec: Spec) -> str:
    """Keeps a spec in the store; returns its digest."""
    return store.put(Kind.SPEC, spec_bytes(spec))


def kept_spec(store: str, digest: str) -> Spec:
    """The spec with a digest in the store at an address.

    Raises:
        StoreError: it is missing or was changed.
    """
    return Spec.model_validate_json(Store(store).get(Kind.SPEC, digest))


def kept_examples(store: str, digest: str, spec: Spec) -> Examples:
    """The examples in the snapshot with a digest.

    Raises:
        StoreError: the snapshot is missing or was changed.
        DataError: a column is missing or contradicts the spec.
    """
    content = Store(store).get(Kind.SNAPSHOT, digest)
    return examples_of(parse_table(content, f"snapshot {digest}").frame, spec)
