"""The registry whose images an environment admits, and the repository of their signatures.

Both are annotations of the namespace of models: k8s/configs/namespaces.yaml, changed by patches of
k8s/envs/<env>/configs/kustomization.yaml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import yaml

from components.errors import ImageRegistryError
from components.image.image_name import ImageName
from components.image.signature_place import repository_of_signatures
from components.releases.release_file import environment_folder
from k8s.errors import EnvironmentFileError

REGISTRY: Final = "canario/registry"
#: Without this annotation signatures are beside their images.
SIGNATURES: Final = "canario/signatures"
_BASE: Final = "k8s/configs/namespaces.yaml"
_MODELS: Final = ("Namespace", "models")
#: The binding of the rule in k8s/configs/admission.yaml that demands a digest.
_DIGESTS: Final = ("ValidatingAdmissionPolicyBinding", "canario-digests")


def annotation_path(annotation: str) -> str:
    """The path of an annotation in a JSON patch."""
    return f"/metadata/annotations/{annotation.replace('/', '~1')}"


@dataclass(frozen=True)
class EnvironmentRegistry:
    """Registry and folder of an environment's images, and the repository of signatures, "" for beside them."""

    environment: str
    images: str
    signatures: str = ""

    @classmethod
    def read(cls, environment: str, read: Callable[[str], str | None]) -> Self:
        """Reads it; `read` gives the text of a file of the tree, or None.

        Raises:
            EnvironmentFileError: no file says which registry the environment admits.
        """
        overlay = f"{environment_folder(environment)}/configs/kustomization.yaml"
        text = read(overlay)
        if text is None:
            raise EnvironmentFileError(
                f"{overlay} is not there, so the registry that {environment} admits is not known"
            )
        try:
            said = {**_annotations(read(_BASE) or ""), **_patched(text)}
        except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
            raise EnvironmentFileError(
                f"{overlay}: its patches of the namespace models are not understood: {error}"
            ) from error
        if not said.get(REGISTRY):
            raise EnvironmentFileError(f"{overlay}: no patch sets the annotation {REGISTRY} of the namespace models")
        return cls(environment, said[REGISTRY], said.get(SIGNATURES, ""))

    def has(self, repository: str) -> bool:
        """Whether a repository is in this registry, as the admission rules see it."""
        return repository.startswith(f"{self.images}/")

    def signatures_of(self, image: ImageName) -> ImageName:
        """The repository of an image's signatures.

        Raises:
            EnvironmentFileError: the annotation names none.
        """
        try:
            return repository_of_signatures(image, self.signatures)
        except ImageRegistryError as error:
            raise EnvironmentFileError(f"{self.environment}: the annotation {SIGNATURES}: {error}") from error


def demands_digests(environment: str, read: Callable[[str], str | None]) -> bool:
    """Whether an environment's admission refuses an image without a digest; `read` gives a file's text, or None.

    It does unless a patch of the environment says that its binding only warns.

    Raises:
        EnvironmentFileError: the patches are not understood.
    """
    overlay = f"{environment_folder(environment)}/configs/kustomization.yaml"
    try:
        changes = _changes(read(overlay) or "", _DIGESTS)
        actions = [one["value"] for one in changes if one["path"] == "/spec/validationActions"]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise EnvironmentFileError(f"{overlay}: its patches of {_DIGESTS[1]} are not understood: {error}") from error
    return not actions or "Deny" in actions[-1]


def _annotations(text: str) -> dict[str, str]:
    for one in yaml.safe_load_all(text):
        if one and (one["kind"], one["metadata"]["name"]) == _MODELS:
            return dict(one["metadata"].get("annotations") or {})
    return {}


def _patched(text: str) -> dict[str, str]:
    """The annotations that an overlay's patches set."""
    changes = {change["path"]: change.get("value", "") for change in _changes(text, _MODELS)}
    paths = {annotation: annotation_path(annotation) for annotation in (REGISTRY, SIGNATURES)}
    return {annotation: str(changes[path]) for annotation, path in paths.items() if path in changes}


def _changes(text: str, object_: tuple[str, str]) -> list[dict[str, Any]]:
    """The changes that an overlay's patches make to the object of a kind and name."""
    patches: list[dict[str, Any]] = (yaml.safe_load(text) or {}).get("patches", [])
    targets = [(one, one.get("target", {})) for one in patches]
    of_object = [one for one, target in targets if (target.get("kind"), target.get("name")) == object_]
    return [change for one in of_object for change in yaml.safe_load(one["patch"])]
