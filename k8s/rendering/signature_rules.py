"""Writes who may have signed an image, as Kyverno reads it: a patch of k8s/configs/signatures/policy.yaml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import TypeAdapter, ValidationError

from components.errors import SigningError
from components.files import read_if_there
from components.signing.signers import FILE, Signer, Signers, check_apart, read_signers
from components.spec.reading.block_yaml import BlockDumper
from k8s.errors import EnvironmentFileError
from k8s.rendering.environment_files import Platform, read_platform
from k8s.rendering.environment_registry import EnvironmentRegistry
from k8s.rendering.values import PullSecret

#: The name of the policy, and of its rules elsewhere in k8s/configs/signatures.
POLICY: Final = "canario-signatures"
_HEAD: Final = f"# Written by `make render` from {FILE}, which says who signs; change that.\n"
#: Hosts of Artifact Registry, and of Container Registry before it.
_GOOGLE: Final = re.compile(r"(.+-)?docker\.pkg\.dev|([a-z]+\.)?gcr\.io")


def rules_file(environment: str) -> str:
    """The path of an environment's patch."""
    return f"k8s/envs/{environment}/configs/{FILE}"


def signature_rules(root: Path, environment: str) -> dict[str, str]:
    """The patch of an environment, path -> text; nothing where it checks no signatures.

    Raises:
        EnvironmentFileError: an environment does not say who signs, or two have the same signer.
    """
    environments = root / "k8s" / "envs"
    try:
        check_apart(environments)
        signers = read_signers(environments / environment)
    except SigningError as error:
        raise EnvironmentFileError(str(error)) from error
    return {} if signers.unchecked else {rules_file(environment): _text(root, environment, signers)}


def check_rules(root: Path, environment: str) -> None:
    """Refuses rules that are not what signers.yaml asks for: a cluster would believe others than it says.

    Raises:
        EnvironmentFileError: they differ, are missing, or an environment does not say who signs.
    """
    file = rules_file(environment)
    if read_if_there(root / file) != signature_rules(root, environment).get(file):
        raise EnvironmentFileError(
            f"{file} is not what k8s/envs/{environment}/{FILE} asks for, so the cluster would believe other signers; "
            "run make render, and commit it"
        )


def _registry(root: Path, environment: str) -> EnvironmentRegistry:
    return EnvironmentRegistry.read(environment, lambda file: read_if_there(root / file))


def _credentials(root: Path, registry: EnvironmentRegistry) -> dict[str, Any]:
    """How Kyverno logs in to the registries, as nodes do; without any of it, it asks as nobody does.

    For Google's registries it is the service account of its pods; the keychain of `google` answers for no others
    (sdk of Kyverno: extensions/imagedataloader/authn.go). A secret has to be in Kyverno's own namespace.
    """
    hosts = {place.partition("/")[0] for place in (registry.images, registry.signatures)}
    providers = ["google"] if any(_GOOGLE.fullmatch(host) for host in hosts) else []
    platform = read_platform(root / "k8s" / "envs" / registry.environment / "platform.yaml")
    secrets = [one.name for one in _pull_secrets(platform)]
    found = {name: values for name, values in (("providers", providers), ("secrets", secrets)) if values}
    return {"credentials": found} if found else {}


def _pull_secrets(platform: Platform) -> list[PullSecret]:
    try:
        return TypeAdapter(list[PullSecret]).validate_python(platform.values.get("imagePullSecrets", []))
    except ValidationError as error:
        raise EnvironmentFileError(
            f"platform.yaml: values.imagePullSecrets: allowed is [{{name: secret}}]: {error}"
        ) from error


def _text(root: Path, environment: str, signers: Signers) -> str:
    registry = _registry(root, environment)
    names = [one.name for one in signers.signers]
    attestors = ", ".join(f'attestors["{name}"]' for name in names)
    reason = f" has no valid signature by {' or '.join(names)}; {environment} requires one"
    document = {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ImageValidatingPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            **_credentials(root, registry),
            "attestors": [_attestor(one, registry.signatures) for one in signers.signers],
            "variables": [
                {
                    "name": "unsigned",
                    "expression": f"images.all.filter(image, verifyImageSignatures(image, [{attestors}]) < 1)",
                }
            ],
            "validations": [
                {
                    "expression": "variables.unsigned.size() == 0",
                    "messageExpression": f"'image ' + variables.unsigned[0] + '{reason}'",
                }
            ],
        },
    }
    return _HEAD + yaml.dump(document, Dumper=BlockDumper, sort_keys=False, width=120)


def _attestor(signer: Signer, signatures: str) -> dict[str, Any]:
    """A key needs no log of sigstore's: whoever has the key may sign, whenever."""
    place = {"source": {"repository": signatures}} if signatures else {}
    if signer.workflow:
        return {"name": signer.name, "cosign": {"keyless": {"identities": [signer.workflow.model_dump()]}, **place}}
    quiet = {"insecureIgnoreTlog": True, "insecureIgnoreSCT": True}
    return {"name": signer.name, "cosign": {"key": {"data": signer.key}, "ctlog": quiet, **place}}
