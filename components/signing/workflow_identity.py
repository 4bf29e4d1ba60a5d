"""The identity of the running workflow, by which sigstore's public service signs without a key.

Elsewhere cosign would ask a person to log in, and write that person's e-mail address and the image's name into a public
log, from which nothing is ever removed. So this is asked first.
"""

from __future__ import annotations

from typing import Final

from id import AmbientCredentialError, detect_credential

from components.errors import SigningError

#: The audience that sigstore requires in a workflow's token.
_AUDIENCE: Final = "sigstore"


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
