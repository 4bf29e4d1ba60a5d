"""Signs a package with a key or the running workflow's identity, using model-signing in sigstore's format."""

from __future__ import annotations

import os
from pathlib import Path

from model_signing import hashing
from model_signing._signing import sign_ec_key
from model_signing.signing import Config

from components.errors import SigningError
from components.files import write_atomically
from components.package.model_package import Package
from components.package.signature import signature_file
from components.signing.keys import SigningKey, open_key
from components.signing.workflow_identity import workflow_token


class _KeySigner(sign_ec_key.Signer):
    """The library's signer with a key that may be elsewhere than in a file."""

    def __init__(self, key: SigningKey) -> None:
        self._private_key = key  # type: ignore[assignment]


def key_signer(key: SigningKey | str | Path) -> Config:
    """A signer with a key, or with the one that a file or an address in a KMS names.

    Raises:
        SigningError: the file or address names no key that signs.
    """
    config = _config()
    # The library's own method opens nothing but files.
    config._signer = _KeySigner(open_key(key) if isinstance(key, (str, Path)) else key)
    return config


def workflow_signer() -> Config:
    """A keyless signer with the identity of the running workflow; needs sigstore's public service.

    Raises:
        SigningError: this machine has no such identity; no browser is opened to ask for one.
    """
    return _config().use_sigstore_signer(identity_token=workflow_token())


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
