"""Reads specs, tables and documents of the store.

A step gets the digest of a spec: a workflow that carried the text in nine steps was too large for Kubeflow's API.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

from components.spec.contract import Spec
from components.store.content import Kind, Store
from components.table.cells import parse_table
from components.table.examples import Examples, examples_of

Document = TypeVar("Document", bound=BaseModel)


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


def kept_examples(store: str, digest: str, spec: Spec, kind: Kind = Kind.SNAPSHOT) -> Examples:
    """The examples in the snapshot with a digest, or in a part of one, which is an object.

    Raises:
        StoreError: the table is missing or was changed.
        DataError: a column is missing or contradicts the spec.
    """
    content = Store(store).get(kind, digest)
    return examples_of(parse_table(content, f"{kind.name.lower()} {digest}").frame, spec)


def keep_document(store: str, document: BaseModel) -> str:
    """Keeps a document of a step, such as its evaluation, as JSON; returns its digest."""
    return Store(store).put(Kind.OBJECT, document.model_dump_json(indent=2).encode())


def kept_document(store: str, digest: str, kind: type[Document]) -> Document:
    """The document of a class that has a digest.

    Raises:
        StoreError: it is missing or was changed.
    """
    return kind.model_validate_json(Store(store).get(Kind.OBJECT, digest))
