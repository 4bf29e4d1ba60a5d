"""Unpacks a request's body, within the limit that holds for one that is not packed."""

from __future__ import annotations

import zlib
from typing import Final

from services.model_server.errors import Refused

#: What zlib calls a gzip file, and a zlib stream (which HTTP calls deflate).
_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def unpacked(body: bytes, encoding: bytes, most_bytes: int) -> bytes:
    """The body that a header Content-Encoding describes.

    Raises:
        Refused: the encoding is not known, the body is not in it, or it holds more than `most_bytes`.
    """
    name = encoding.decode("latin-1").strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _WINDOWS:
        raise Refused(415, "bad_json", f"Content-Encoding {name[:40]!r} is not read here; allowed are gzip and deflate")
    reader = zlib.decompressobj(_WINDOWS[name])
    try:
        content = reader.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Refused(400, "bad_json", f"the body is not {name}, as its Content-Encoding says") from error
    if len(content) > most_bytes:
        raise Refused(413, "body_too_large", f"the body unpacks to more than the {most_bytes} bytes allowed")
    if not reader.eof:
        raise Refused(400, "bad_json", f"the body is {name} that breaks off")
    return content
