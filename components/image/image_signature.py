"""Signs an image in a registry and attests its bill of materials, as cosign does: `cosign verify` checks both.

A key signs here, wherever it is (`components/signing/keys.py`). A keyless signature is left to cosign itself, which
must then be on the PATH.
https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md, https://github.com/secure-systems-lab/dsse
"""

from __future__ import annotations

import json
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.digest import sha256
from components.errors import SigningError
from components.image.image_name import ImageName
from components.image.registry_session import is_plain
from components.image.repository import ImageRepository, open_repository
from components.image.signature_place import (
    ATTESTATIONS,
    SIGNATURES,
    VARIABLE,
    add_layers,
    read_layers,
    signature_tag,
    signatures_of,
)
from components.package.signature import encoded
from components.signing.keys import ALGORITHM, SigningKey, open_key, run_cosign
from components.signing.workflow_identity import workflow_token

_SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_SIGNED_TYPE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_ENVELOPE_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
_STATEMENT_TYPE: Final = "application/vnd.in-toto+json"
_CYCLONEDX: Final = "https://cyclonedx.org/bom"


def sign_image(
    image: ImageName, key: str | Path | None, materials: bytes | None = None, place: ImageName | None = None
) -> None:
    """Signs an image by its digest and attests its bill of materials, if it has one.

    With a key, what is signed already is left as it is. Without one the running workflow's identity signs.

    Args:
        image: the image, by its digest.
        key: a file or an address in a KMS.
        materials: the bill of materials, in CycloneDX.
        place: the repository of signatures; by default that of `$COSIGN_REPOSITORY`, or the image's own.

    Raises:
        SigningError: the key is unusable, there is neither key nor workflow, or cosign is not there or failed.
        ImageRegistryError: the registry refuses.
    """
    if key is None:
        _sign_keyless(image, materials, place)
        return
    pair = open_key(key)
    repository = open_repository(place or signatures_of(image))
    _add(repository, signature_tag(image.digest, SIGNATURES), _signed(image, pair))
    if materials is not None:
        _add(repository, signature_tag(image.digest, ATTESTATIONS), _attested(image, materials, pair))


def is_signed(image: ImageName, public: str) -> bool:
    """Whether the key of `public`, a PEM, signed an image by its digest, with this program or with cosign.

    Raises:
        SigningError: `public` is no public key that signs images.
        ImageRegistryError: the registry refuses.
    """
    key = _read_public_key(public)
    there = read_layers(open_repository(signatures_of(image)), signature_tag(image.digest, SIGNATURES))
    return any(_names(one, payload, image.digest, key) for one, payload in there)


def _names(descriptor: Mapping[str, Any], payload: bytes, digest: str, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether one signature is the key's, and is of this digest."""
    try:
        key.verify(b64decode(descriptor["annotations"][_SIGNATURE]), payload, ALGORITHM)
        return bool(json.loads(payload)["critical"]["image"]["docker-manifest-digest"] == digest)
    except (InvalidSignature, ValueError, LookupError, TypeError):
        return False


def _read_public_key(public: str) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(public.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"the public key of the base is no key in PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SigningError("the public key of the base is no ECDSA key; cosign and `make publish KEY=` use these")
    return key


@dataclass(frozen=True)
class _Entry:
    """One signature or attestation: the layer that holds it, and whether an earlier one says the same."""

    content: bytes
    media_type: str
    annotations: Mapping[str, str]
    public: ec.EllipticCurvePublicKey
    statement: bytes

    def descriptor(self) -> dict[str, Any]:
        digest, size = sha256(self.content), len(self.content)
        return {
            "mediaType": self.media_type,
            "size": size,
            "digest": digest,
            "annotations": dict(self.annotations),
        }

    def is_said_by(self, descriptor: Mapping[str, Any], content: bytes) -> bool:
        """Whether another entry signs the same statement with the same key."""
        if descriptor["mediaType"] != self.media_type:
            return False
        try:
            statement, signature = content, descriptor.get("annotations", {}).get(_SIGNATURE, "")
            if self.media_type == _ENVELOPE_TYPE:
                envelope = json.loads(content)
                payload, signature = b64decode(envelope["payload"]), envelope["signatures"][0]["sig"]
                statement = encoded(payload)
            self.public.verify(b64decode(signature), statement, ALGORITHM)
        except (InvalidSignature, ValueError, LookupError, TypeError):
            return False
        return statement == self.statement


def _signed(image: ImageName, key: SigningKey) -> _Entry:
    payload = _json(
        {
            "critical": {
                "identity": {"docker-reference": image.bare},
                "image": {"docker-manifest-digest": image.digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )
    annotations = {_SIGNATURE: _signature(key, payload)}
    return _Entry(payload, _SIGNED_TYPE, annotations, key.public_key(), payload)


def _attested(image: ImageName, materials: bytes, key: SigningKey) -> _Entry:
    statement = _json(
        {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": _CYCLONEDX,
            "subject": [{"name": image.bare, "digest": {"sha256": image.digest.removeprefix("sha256:")}}],
            "predicate": json.loads(materials),
        }
    )
    envelope = {
        "payloadType": _STATEMENT_TYPE,
        "payload": b64encode(statement).decode(),
        "signatures": [{"keyid": "", "sig": _signature(key, encoded(statement))}],
    }
    annotations = {_SIGNATURE: "", "predicateType": _CYCLONEDX}
    return _Entry(_json(envelope), _ENVELOPE_TYPE, annotations, key.public_key(), encoded(statement))


def _add(repository: ImageRepository, tag: str, entry: _Entry) -> None:
    """Adds an entry to those under a tag, unless one there says the same."""
    if not any(entry.is_said_by(one, content) for one, content in read_layers(repository, tag)):
        add_layers(repository, tag, [(entry.descriptor(), entry.content)])


def _sign_keyless(image: ImageName, materials: bytes | None, place: ImageName | None) -> None:
    # With a token in this variable cosign asks no person to log in (cosign's pkg/providers/envvar).
    settings = {"SIGSTORE_ID_TOKEN": workflow_token(), **({VARIABLE: place.bare} if place else {})}
    how = ["--yes", *(["--allow-http-registry"] if is_plain(image.registry) else [])]
    reference = image.at(image.digest)
    run_cosign("sign", *how, reference, settings=settings)
    if materials is not None:
        with tempfile.TemporaryDirectory(prefix="canario-materials-") as folder:
            path = Path(folder, "materials.json")
            path.write_bytes(materials)
            run_cosign("attest", *how, "--type", "cyclonedx", "--predicate", str(path), reference, settings=settings)


def _signature(key: SigningKey, content: bytes) -> str:
    return b64encode(key.sign(content, ALGORITHM)).decode()


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
