"""Checks the signature of a package, in the format of sigstore's model-signing.

`<package>.sigstore.json` is a sigstore bundle: a DSSE envelope around an in-toto statement that names every file of
the package with its SHA-256. The file lies next to the folder, so it does not change the package's digest.
model-signing writes it (`python -m services.signing`); checking needs only `cryptography`, so servers can do it, too.
https://github.com/ossf/model-signing-spec, https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import AfterValidator, Field, ValidationError, alias_generators

from components.errors import SignatureError
from components.package.model_package import Package, digest_of_hashes
from components.spec.contract import ClosedModel

_SUFFIX: Final = ".sigstore.json"
_END: Final = "-----END PUBLIC KEY-----"
_PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
#: model-signing's hash for each curve that it supports.
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


def _exact(text: str) -> str:
    """Refuses base64 that is not canonical; a lenient reader accepts several texts for the same bytes."""
    if b64encode(b64decode(text, validate=True)).decode() != text:
        raise ValueError("is no exact base64")
    return text


_Base64 = Annotated[str, AfterValidator(_exact)]
_Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(ClosedModel, alias_generator=alias_generators.to_camel):
    """A part of a bundle; unknown keys are refused, so that every byte of the file counts."""


class _Key(_Part):
    hint: _Hash


class _Material(_Part):
    public_key: _Key
    tlog_entries: tuple[()] = ()


class _Signed(_Part):
    sig: _Base64
    keyid: Literal[""] = ""


class _Envelope(_Part):
    payload: _Base64
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: tuple[_Signed]


class _Bundle(_Part):
    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verification_material: _Material
    dsse_envelope: _Envelope


class _Resource(ClosedModel):
    name: str
    algorithm: Literal["sha256"]
    digest: _Hash


class _Predicate(ClosedModel, extra="ignore"):
    resources: tuple[_Resource, ...]


class _Statement(ClosedModel, extra="ignore"):
    kind: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://model_signing/signature/v1.0"] = Field(alias="predicateType")
    predicate: _Predicate


def signature_file(package: Path) -> Path:
    """The path of a package's signature, next to the package's folder."""
    return package.with_name(package.name + _SUFFIX)


def read_public_keys(pem: str) -> tuple[ec.EllipticCurvePublicKey, ...]:
    """The public keys in a PEM text, one after the other.

    Raises:
        SignatureError: the text has no key, or one of a kind that does not sign packages.
    """
    ends = [part.strip() for part in pem.split(_END)]
    if len(ends) < 2 or ends[-1]:
        return (read_public_key(pem),)
    return tuple(read_public_key(f"{part}\n{_END}\n") for part in ends[:-1])


def read_public_key(pem: str) -> ec.EllipticCurvePublicKey:
    """The public key in a PEM text.

    Raises:
        SignatureError: the text is not a key of a kind that signs packages.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("the public key is no PEM text that begins with -----BEGIN PUBLIC KEY-----") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise SignatureError(f"the public key is of another kind; allowed: ECDSA on {', '.join(_HASHES)}")
    return key


def check_signature(package: Package, pem: str) -> None:
    """Checks that the owner of one of the public keys in a text signed exactly the bytes of the package.

    Raises:
        SignatureError: the signature is missing or wrong, or belongs to another key or another package.
    """
    keys, path = {_fingerprint(one): one for one in read_public_keys(pem)}, signature_file(package.path)
    bundle = _read(path)
    hint = bundle.verification_material.public_key.hint
    key = keys.get(hint)
    if key is None:
        allowed = " or ".join(name[:12] for name in keys)
        raise SignatureError(f"{path}: was made with another key ({hint[:12]}), not with {allowed}")
    payload = b64decode(bundle.dsse_envelope.payload)
    try:
        key.verify(b64decode(bundle.dsse_envelope.signatures[0].sig), encoded(payload), ec.ECDSA(_hash(key)))
    except InvalidSignature as error:
        raise SignatureError(f"{path}: was changed: the key did not sign this. Sign the package again.") from error
    signed = _signed_package(path, payload)
    if signed != package.digest:
        raise SignatureError(f"{path}: signs {signed}, and the package beside it is {package.digest}")


def _read(path: Path) -> _Bundle:
    try:
        return _Bundle.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SignatureError(
            f"{path}: is missing, and only signed packages are taken here; `make sign` signs one"
        ) from error
    except ValidationError as error:
        raise SignatureError(f"{path}: is no signature by a key: {_fault(error)}. Sign the package again.") from error


def _signed_package(path: Path, payload: bytes) -> str:
    """The digest of the package whose files the statement names."""
    try:
        resources = _Statement.model_validate(json.loads(payload)).predicate.resources
    except ValidationError as error:
        raise SignatureError(f"{path}: signs no package's files: {_fault(error)}. Sign the package again.") from error
    return digest_of_hashes({resource.name: resource.digest for resource in resources})


def encoded(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding, the bytes that are signed."""
    return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)


def _fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """The hint by which a bundle names a key."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.PEM, form)).hexdigest()


def _hash(key: ec.EllipticCurvePublicKey) -> hashes.HashAlgorithm:
    return _HASHES[key.curve.name]


def _fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ")
