"""Signs an image in a registry and attests its bill of materials, as cosign does: `cosign verify` checks both.

A key in PEM signs here, without a program. Keys that cosign made (they have a password) and keyless signatures are
left to cosign itself, which must then be on the PATH.
https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md, https://github.com/secure-systems-lab/dsse
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.digest import sha256
from components.errors import SigningError
from components.image.image_name import ImageName
from components.image.registry_session import is_plain
from components.image.repository import ImageRepository, open_repository
from components.image.signature_place import (
    ATTESTATIONS,
    SIGNATURES,
    add_layers,
    read_layers,
    signature_tag,
    signatures_of,
)
from components.package.signature import encoded

_COSIGN_KEYS: Final = (b"ENCRYPTED SIGSTORE PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY")
_SECONDS: Final = 300
_SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_SIGNED_TYPE: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_ENVELOPE_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
_STATEMENT_TYPE: Final = "application/vnd.in-toto+json"
_CYCLONEDX: Final = "https://cyclonedx.org/bom"
_ALGORITHM: Final = ec.ECDSA(hashes.SHA256())


def sign_image(image: ImageName, key: Path | None, materials: bytes | None = None) -> None:
    """Signs an image by its digest and attests its bill of materials, if it has one.

    With a key in PEM, what is signed already is left as it is. Without a key the running workflow's identity signs.

    Raises:
        SigningError: the key is unusable, or cosign is not there or failed.
        ImageRegistryError: the registry refuses.
    """
    if key is None or is_cosigns(key):
        _sign_by_cosign(image, key, materials)
        return
    pair = read_image_key(key)
    repository = open_repository(signatures_of(image))
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
        key.verify(b64decode(descriptor["annotations"][_SIGNATURE]), payload, _ALGORITHM)
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
            self.public.verify(b64decode(signature), statement, _ALGORITHM)
        except (InvalidSignature, ValueError, LookupError, TypeError):
            return False
        return statement == self.statement


def _signed(image: ImageName, key: ec.EllipticCurvePrivateKey) -> _Entry:
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


def _attested(image: ImageName, materials: bytes, key: ec.EllipticCurvePrivateKey) -> _Entry:
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


def read_image_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key that signs images.

    Raises:
        SigningError: the file is not there, or holds no private key of the curve that cosign takes.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SigningError(f"{path}: cannot be read: {error.strerror}") from error
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        hint = "; `openssl ecparam -name prime256v1 -genkey -noout` makes one" if is_cosigns(path) else ""
        raise SigningError(f"{path}: is no private key in PEM without a password{hint} ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError(f"{path}: is no key of the curve prime256v1, which signatures of images want")
    return key


def _sign_by_cosign(image: ImageName, key: Path | None, materials: bytes | None) -> None:
    how = ["--yes", *(["--key", str(key), "--tlog-upload=false"] if key else [])]
    how += ["--allow-http-registry"] if is_plain(image.registry) else []
    reference = image.at(image.digest)
    _cosign("sign", *how, reference)
    if materials is not None:
        with tempfile.TemporaryDirectory(prefix="canario-materials-") as folder:
            path = Path(folder, "materials.json")
            path.write_bytes(materials)
            _cosign("attest", *how, "--type", "cyclonedx", "--predicate", str(path), reference)


def _cosign(*arguments: str) -> None:
    try:
        done = subprocess.run(["cosign", *arguments], capture_output=True, text=True, check=False, timeout=_SECONDS)
    except FileNotFoundError as error:
        raise SigningError(
            "cosign is not on the PATH, and only a key in PEM signs without it; "
            "`make tools TOOLS=cosign` puts it into build/tools"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SigningError(f"cosign {arguments[0]} had no end within {_SECONDS} s") from error
    if done.returncode:
        raise SigningError(f"cosign {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")


def is_cosigns(key: Path) -> bool:
    """Whether a key has cosign's own form, which only cosign reads.

    Raises:
        SigningError: the file cannot be read.
    """
    try:
        content = key.read_bytes()
    except OSError as error:
        raise SigningError(f"{key}: cannot be read: {error.strerror}") from error
    return any(kind in content for kind in _COSIGN_KEYS)


def _signature(key: ec.EllipticCurvePrivateKey, content: bytes) -> str:
    return b64encode(key.sign(content, _ALGORITHM)).decode()


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
