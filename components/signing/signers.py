"""Reads `k8s/envs/<env>/signers.yaml`: who signs what runs in an environment.

This one file is read by the commands that sign, by the charts, from which the model server has it, and by what makes
the rules of admission. The first signer signs; all are believed, so that a new one can stand beside the old one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field, ValidationError, field_validator, model_validator

from components.errors import SigningError
from components.files import read_if_there
from components.signing.keys import KMS_SCHEMES, open_key, public_text
from components.spec.contract import ClosedModel
from components.spec.reading.strict_yaml import load_yaml

FILE: Final = "signers.yaml"


class WorkflowIdentity(ClosedModel):
    """A workflow that signs without a key, as sigstore's certificates name it."""

    issuer: str = Field(pattern="^https://", description="Who says that it is this workflow.")
    subject: str = Field(min_length=1, description="The workflow's file at its branch.")


class Signer(ClosedModel):
    """One signer: a key, or a workflow."""

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$", description="What refusals call it.")
    key: str = Field(default="", description="Public key in PEM, ECDSA on prime256v1.")
    kms: str = Field(default="", description="Where the private half of `key` is, if a KMS keeps it.")
    workflow: WorkflowIdentity | None = Field(default=None, description="In place of a key.")

    @field_validator("key")
    @classmethod
    def _key(cls, text: str) -> str:
        return _exact_key(text) if text else text

    @field_validator("kms")
    @classmethod
    def _scheme(cls, address: str) -> str:
        if address and not address.startswith(KMS_SCHEMES):
            raise ValueError(f"{address!r} is no address in a KMS; it begins with {', '.join(KMS_SCHEMES)}")
        return address

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.key) == bool(self.workflow):
            raise ValueError("give a key, or a workflow, and one of them only")
        if self.kms and not self.key:
            raise ValueError("kms is where the private half of a key is; give key, too")
        return self


class Signers(ClosedModel):
    """Who signs what runs in one environment, the one who signs first."""

    signers: tuple[Signer, ...] = ()
    packages_from: str = Field(
        default="", description="Environment whose signers are believed for packages: what runs here passed there."
    )
    unchecked: str = Field(default="", description="Why no signature is checked here, in place of signers.")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if bool(self.signers) == bool(self.unchecked):
            raise ValueError("name signers, or say under `unchecked` why no signature is checked")
        names = [one.name for one in self.signers]
        if len(set(names)) != len(names):
            raise ValueError("signers: two have the same name")
        if self.keys and self.is_keyless:
            raise ValueError(
                "signers: the model server, which knows keys only, would refuse what the workflow signs; name keys or "
                "workflows, and not both"
            )
        return self

    @property
    def is_keyless(self) -> bool:
        """Whether a workflow signs, whose signatures only Kyverno can check: those of the images."""
        return any(one.workflow for one in self.signers)

    @property
    def keys(self) -> tuple[str, ...]:
        """The public keys that are believed, each as PEM."""
        return tuple(one.key for one in self.signers if one.key)


def read_signers(environment: Path) -> Signers:
    """The signers of an environment, by its folder of k8s/envs.

    Raises:
        SigningError: the file is missing or wrong; the message names every fault.
    """
    path = environment / FILE
    return parse_signers(read_if_there(path), str(path))


def parse_signers(text: str | None, path: str) -> Signers:
    """The signers in a file's text, or None where the file is missing; messages call it `path`.

    Raises:
        SigningError: the file is missing or wrong; the message names every fault.
    """
    if text is None:
        raise SigningError(f"{path} is not there; it names who signs what runs there, or says why nothing is checked")
    try:
        return Signers.model_validate(load_yaml(text))
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
        raise SigningError("\n".join(f"{path}: {fault.removeprefix(': ')}" for fault in faults)) from error
    except ValueError as error:
        raise SigningError(f"{path}: {error}") from error


def package_keys(environment: Path) -> str:
    """The keys that are believed for packages, in PEM, one after the other.

    Empty where the server checks none: a workflow's signature of the image also covers the package in it.

    Raises:
        SigningError: a file is missing or wrong.
    """
    own = read_signers(environment)
    believed = [own, *([read_signers(environment.parent / own.packages_from)] if own.packages_from else [])]
    if any(one.is_keyless for one in believed):
        return ""
    return "".join(dict.fromkeys(key for one in believed for key in one.keys))


def key_of(environment: Path, given: str) -> str | None:
    """What signs for an environment: a file, an address in a KMS, or None for the running workflow's identity.

    Args:
        environment: its folder of k8s/envs.
        given: the key that a person names; empty for the first signer's own.

    Raises:
        SigningError: the file is wrong, the given key is none of the signers', or the signer's key is needed.
    """
    return key_among(read_signers(environment), environment.name, given)


def key_among(signers: Signers, environment: str, given: str) -> str | None:
    """As `key_of`, for signers that were read before.

    Raises:
        SigningError: the given key is none of the signers', or the signer's key is needed.
    """
    if signers.unchecked:
        return given or None
    if given:
        _check_believed(given, signers, environment)
        return given
    first = signers.signers[0]
    if first.workflow:
        return None
    if not first.kms:
        raise SigningError(
            f"{environment}'s signer {first.name} is a key that is in no KMS; give KEY=file of its private half"
        )
    return first.kms


def check_apart(environments: Path) -> None:
    """Checks that no two environments believe the same signer: whoever signs for one could sign for the other.

    Raises:
        SigningError: two do.
    """
    owners: dict[object, tuple[str, str]] = {}
    for path in sorted(environments.glob(f"*/{FILE}")):
        for one in read_signers(path.parent).signers:
            other, name = owners.setdefault(one.key or one.workflow, (path.parent.name, one.name))
            if other != path.parent.name:
                raise SigningError(
                    f"{path}: {one.name} is the same signer as {name} of {other}, so whoever signs for {other} "
                    f"signs for {path.parent.name}, too; give each environment a signer of its own"
                )


def _check_believed(given: str, signers: Signers, environment: str) -> None:
    if public_text(open_key(given)) not in signers.keys:
        names = ", ".join(one.name for one in signers.signers)
        raise SigningError(
            f"KEY={given}: is the key of none of {environment}'s signers ({names}), so what it signs would be refused "
            f"there; add its public half to k8s/envs/{environment}/{FILE}, or give no KEY"
        )


def _exact_key(text: str) -> str:
    """A public key as the one text that it always has, so that texts can be compared."""
    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("is no public key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("is of another kind; allowed is ECDSA on prime256v1")
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()
