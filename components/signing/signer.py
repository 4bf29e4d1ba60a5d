"""Signs a package with a key or the running workflow's identity, using model-signing in sigstore's format."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from id import AmbientCredentialError, detect_credential
from model_signing import hashing
from model_signing.signing import Config

from components.errors import SigningError
from components.files import write_atomically
from components.package.model_package import Package
from components.package.signature import signature_file

#: The audience that sigstore requires in a workflow's token.
_AUDIENCE = "sigstore"


def key_signer(key: Path) -> Config:
    """A signer with an ECDSA private key, a PEM file without a password.

    Raises:
        SigningError: the file does not exist or does not hold such a key.
    """
    try:
        return _config().use_elliptic_key_signer(private_key=key)
    except FileNotFoundError as error:
        raise SigningError(
            f"{key}: is not there; `openssl ecparam -name prime256v1 -genkey -noout` makes one"
        ) from error
    except (AttributeError, OSError, TypeError, ValueError) as error:
        raise SigningError(f"{key}: is no ECDSA private key in PEM without a password ({error})") from error


def public_pem(key: Path) -> str:
    """The public key of a private one, as PEM.

    Raises:
        SigningError: the file does not hold a private key without a password.
    """
    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{key}: is no private key in PEM without a password ({error})") from error
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def workflow_signer() -> Config:
    """A keyless signer with the identity of the running workflow; needs sigstore's public service.

    Raises:
        SigningError: this machine has no such identity; no browser is opened to ask for one.
    """
    try:
        token = detect_credential(_AUDIENCE)
    except AmbientCredentialError as error:
        raise SigningError(f"the workflow gives no identity: {error}. Let its job have `id-token: write`") from error
    if token is None:
        raise SigningError("no KEY was given, and this is no workflow with an identity; give KEY=private-key.pem")
    return _config().use_sigstore_signer(identity_token=token)


def sign_package(package: Package, signer: Config) -> Path:
    """Writes the signature beside the package, replacing an earlier one, and returns its path.

    Raises:
        SigningError: the signer failed.
    """
    path = signature_file(package.path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        signer.sign(package.path, draft)
        return write_atomically(path, draft.read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError) as error:
        raise SigningError(f"{package.path}: cannot be signed: {error}") from error
    finally:
        draft.unlink(missing_ok=True)


def _config() -> Config:
    """A configuration that signs every file of a folder."""
    config = Config()  # type: ignore[no-untyped-call]
    every_file = hashing.Config()  # type: ignore[no-untyped-call]
    return config.set_hashing_config(every_file.set_ignored_paths(paths=(), ignore_git_paths=False))
