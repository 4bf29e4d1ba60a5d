"""A spec as the text of one parameter of a pipeline: packed if that is small, else the spec's address in the store."""

from __future__ import annotations

import base64
import binascii
import zlib
from pathlib import PurePath
from typing import Final

from pydantic import ValidationError

from components.digest import sha256
from components.errors import SpecError
from components.spec.contract import Spec

#: The longest packed text. Kubeflow writes a parameter about seven times into a workflow that has to stay below 1 MB.
LARGEST_TEXT: Final = 16_384
#: What a packed text and an address begin with.
PACKED: Final = "zlib:"
ADDRESS: Final = "sha256:"


def portable(spec: Spec) -> Spec:
    """The spec without what differs between machines: the table's folder, and what the steps' pods may use."""
    uri = spec.data.uri if "://" in spec.data.uri else PurePath(spec.data.uri).name
    return spec.model_copy(update={"data": spec.data.model_copy(update={"uri": uri}), "resources": {}})


def spec_bytes(spec: Spec) -> bytes:
    """The bytes that lie in the store under the spec's address."""
    return spec.model_dump_json().encode()


def pack_spec(spec: Spec) -> str:
    """`zlib:` and base64 of the spec's JSON without defaults, or `sha256:...`, the digest of `spec_bytes`, if longer.

    Base64 has no braces and brackets: Argo and Kubeflow replace what stands between two of them.
    """
    packed = zlib.compress(spec.model_dump_json(exclude_defaults=True).encode(), level=9)
    text = PACKED + base64.b64encode(packed).decode()
    return text if len(text) <= LARGEST_TEXT else sha256(spec_bytes(spec))


def unpack_spec(text: str, store: str) -> Spec:
    """The spec that a text holds or names: packed, as JSON, or by its address in the store at a folder or URI.

    Raises:
        SpecError: the text is none of these, or the store lacks the spec or has a changed one.
    """
    try:
        return Spec.model_validate_json(_stored(text, store) if text.startswith(ADDRESS) else _json(text))
    except ValidationError as error:
        raise SpecError(f"the spec that the pipeline got is wrong; was it written by other code? {error}") from error


def _json(text: str) -> bytes:
    if not text.startswith(PACKED):
        return text.encode()
    try:
        return zlib.decompress(base64.b64decode(text.removeprefix(PACKED), validate=True))
    except (zlib.error, binascii.Error) as error:
        raise SpecError(f"the spec that the pipeline got is cut off or changed: {error}") from error


def stored_uri(store: str, address: str) -> str:
    """The URI of the spec with this address in a store."""
    return f"{store.rstrip('/')}/specs/{address.removeprefix(ADDRESS)}.json"


def _stored(address: str, store: str) -> bytes:
    import fsspec

    uri = stored_uri(store, address)
    files, path = fsspec.core.url_to_fs(uri)
    try:
        content = bytes(files.cat_file(path))
    except FileNotFoundError as error:
        raise SpecError(f"{uri}: the spec is not in the store; submit the run again") from error
    if sha256(content) != address:
        raise SpecError(f"{uri}: was changed: its bytes are {sha256(content)}; submit the run again")
    return content
