"""What signs: a key, or the running workflow's identity, for which sigstore's public service signs without one.

Elsewhere cosign would ask a person to log in, and write that person's e-mail address and the image's name into a public
log, from which nothing is ever removed. So this is asked first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from id import AmbientCredentialError, detect_credential

from components.errors import SigningError
from components.signing.keys import SigningKey, open_key

#: The audience that sigstore requires in a workflow's token.
_AUDIENCE: Final = "sigstore"


def usable_key(key: str | Path | None) -> SigningKey | None:
    """Opens the key that signs; None where the running workflow does. Who cannot sign pushes nothing, so ask first.

    Args:
        key: a file, an address in a KMS, or None for the workflow.

    Raises:
        SigningError: the key cannot be used, or there is neither key nor workflow.
    """
    if key is None:
        workflow_token()
        return None
    pair = open_key(key)
    pair.public_key()  # A KMS may let nobody in.
    return pair


def workflow_token() -> str:
    """A token of the running workflow, good for some minutes.

    Raises:
        SigningError: this machine has no such identity; no browser is opened to ask for one.
    """
    try:
        token = detect_credential(_AUDIENCE)
    except AmbientCredentialError as error:
        raise SigningError(f"the workflow gives no identity: {error}. Let its job have `id-token: write`") from error
    if token is None:
        raise SigningError(
            "no KEY was given, and this is no workflow with an identity, so nothing is signed or pushed; give ENV=, "
            "an environment whose signer is in a KMS, or KEY=private-key.pem"
        )
    return token
