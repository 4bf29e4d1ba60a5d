"""A spec as the text of one parameter of a pipeline: packed if that is small, else the spec's address in the store."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Final

from pydantic import ValidationError

from components.digest import sha256
from components.errors import SpecError
from components.spec.contract import Spec
from components.spec.views import without_folder
from components.store.reading import kept_spec, spec_bytes

#: The longest packed text. Kubeflow writes it nine times into its record of a run, which has to stay small.
LARGEST_TEXT: Final = 3400
#: What a packed text and an address begin with.
PACKED: Final = "zlib:"
ADDRESS: Final = "sha256:"


def portable(spec: Spec) -> Spec:
    """The spec without what differs between machines: the table's folder, and what the steps' pods may use."""
    return without_folder(spec).model_copy(update={"resources": {}})


def pack_spec(spec: Spec) -> str:
    """`zlib:` and base64 of the spec's JSON without defaults; if that is too long, the address at which it is kept.

    Base64 has no braces and brackets: Argo and Kubeflow replace what stands between two of them.
    """
    packed = zlib.compress(spec.model_dump_json(exclude_defaults=True).encode(), level=9)
    text = PACKED + base64.b64encode(packed).decode()
    return text if len(text) <= LARGEST_TEXT else sha256(spec_bytes(spec))


def unpack_spec(text: str, store: str) -> Spec:
    """The spec that a text holds or names: packed, as JSON, or by its address in the store at a folder or URI.

    Raises:
        SpecError: the text is none of these.
        StoreError: the store lacks the spec, or has a changed one.
    """
    try:
        return kept_spec(store, text) if text.startswith(ADDRESS) else Spec.model_validate_json(_json(text))
    except ValidationError as error:
        raise SpecError(f"the spec that the pipeline got is wrong; was it written by other code? {error}") from error


def _json(text: str) -> bytes:
    if not text.startswith(PACKED):
        return text.encode()
    try:
        return zlib.decompress(base64.b64decode(text.removeprefix(PACKED), validate=True))
    except (zlib.error, binascii.Error) as error:
        raise SpecError(f"the spec that the pipeline got is cut off or changed: {error}") from error
