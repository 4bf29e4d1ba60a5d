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


def _annotations(text: str) -> dict[str, str]:
    for one in yaml.safe_load_all(text):
        if one and (one["kind"], one["metadata"]["name"]) == _MODELS:
            return dict(one["metadata"].get("annotations") or {})
    return {}


def _patched(text: str) -> dict[str, str]:
    """The annotations that an overlay's patches set."""
    patches: list[dict[str, Any]] = (yaml.safe_load(text) or {}).get("patches", [])
    targets = [(one, one.get("target", {})) for one in patches]
    of_models = [one for one, target in targets if (target.get("kind"), target.get("name")) == _MODELS]
    changes = {change["path"]: change.get("value", "") for one in of_models for change in yaml.safe_load(one["patch"])}
    paths = {annotation: annotation_path(annotation) for annotation in (REGISTRY, SIGNATURES)}
    return {annotation: str(changes[path]) for annotation, path in paths.items() if path in changes}
