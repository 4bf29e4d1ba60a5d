"""Opens the key that signs packages and images: in PEM, made by cosign, or kept in a KMS.

A key in PEM signs here, without a program. A key that cosign made is encrypted in a form of cosign's own, and a KMS
gives no key away: for both, cosign signs, and must then be on the PATH. All of them are ECDSA keys on the curve
prime256v1, so that one key signs both a package and its image.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.errors import SigningError

#: How cosign's references to keys in a KMS begin: https://docs.sigstore.dev/cosign/key_management/overview/
KMS_SCHEMES: Final = ("awskms://", "azurekms://", "gcpkms://", "hashivault://")
#: The only algorithm: cosign has no other for keys on this curve.
ALGORITHM: Final = ec.ECDSA(hashes.SHA256())
_COSIGN_KEYS: Final = (b"ENCRYPTED SIGSTORE PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY")
_MAKE: Final = "`openssl ecparam -name prime256v1 -genkey -noout` makes one"
_SECONDS: Final = 300


class SigningKey(Protocol):
    """A private key, wherever it is; cryptography's own has this form."""

    def sign(self, data: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """The signature of some bytes, in DER."""

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""


def open_key(reference: str | Path) -> SigningKey:
    """The key that a file, or an address in a KMS, names.

    Raises:
        SigningError: it cannot be read, or is no key that signs both packages and images.
    """
    if is_in_kms(reference):
        return _CosignKey(str(reference))
    content = _content(Path(reference))
    if any(kind in content for kind in _COSIGN_KEYS):
        return _CosignKey(str(reference))
    return _pem_key(content, str(reference))


def is_in_kms(reference: str | Path) -> bool:
    """Whether a reference is an address in a KMS, and no file."""
    return str(reference).startswith(KMS_SCHEMES)


def public_text(key: SigningKey) -> str:
    """The public half as PEM.

    Raises:
        SigningError: cosign does not give it.
    """
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def run_cosign(*arguments: str, settings: Mapping[str, str] | None = None) -> str:
    """What cosign prints; `settings` are more variables of its environment.

    Raises:
        SigningError: cosign is not there, failed, or had no end.
    """
    try:
        done = subprocess.run(
            ["cosign", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={**os.environ, **(settings or {})},
            # It would ask a person for the password of a key: $COSIGN_PASSWORD has it.
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise SigningError(
            "cosign is not on the PATH, and only a key in PEM signs without it; "
            "`make tools TOOLS=cosign` puts it into build/tools"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SigningError(f"cosign {arguments[0]} had no end within {_SECONDS} s") from error
    if done.returncode:
        raise SigningError(f"cosign {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    return done.stdout


@dataclass(frozen=True)
class _CosignKey:
    """A key that only cosign can use; cosign is asked for each signature."""

    reference: str

    def sign(self, data: bytes, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """As `SigningKey`.

        Raises:
            SigningError: cosign does not sign.
        """
        if not isinstance(signature_algorithm.algorithm, hashes.SHA256):
            raise SigningError(f"{self.reference}: signs with SHA-256 only")
        with tempfile.NamedTemporaryFile(prefix="canario-signed-") as file:
            file.write(data)
            file.flush()
            said = run_cosign("sign-blob", "--yes", "--key", self.reference, "--tlog-upload=false", file.name)
        try:
            return b64decode(said.strip(), validate=True)
        except NotBase64 as error:
            raise SigningError(f"{self.reference}: cosign sign-blob gave no signature, but {said[:80]!r}") from error

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """As `SigningKey`.

        Raises:
            SigningError: cosign cannot open the key, or it is of another kind.
        """
        text = run_cosign("public-key", "--key", self.reference)
        try:
            key = serialization.load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SigningError(f"{self.reference}: cosign public-key gave no key in PEM ({error})") from error
        return _checked(key, self.reference)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SigningError(f"{path}: is not there; {_MAKE}") from error
    except OSError as error:
        raise SigningError(f"{path}: cannot be read: {error.strerror}") from error


def _pem_key(content: bytes, name: str) -> ec.EllipticCurvePrivateKey:
    """A private key in PKCS 8, or as `openssl ecparam` writes it: the parameters may stand before it."""
    try:
        key = serialization.load_pem_private_key(_without_parameters(content), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{name}: is no private key in PEM without a password; {_MAKE} ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SigningError(f"{name}: is no ECDSA key; {_MAKE}")
    _checked(key.public_key(), name)
    return key


def _without_parameters(content: bytes) -> bytes:
    """The text without the block EC PARAMETERS, which `openssl ecparam` writes unless it is told `-noout`."""
    before, found, rest = content.partition(b"-----BEGIN EC PARAMETERS-----")
    return before + rest.partition(b"-----END EC PARAMETERS-----")[2].lstrip() if found else content


def _checked(key: object, name: str) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError(f"{name}: is no ECDSA key on the curve prime256v1, which packages and images want; {_MAKE}")
    return key
