"""Signs the image of a promoted release for its target, where no other environment's signature counts."""

from __future__ import annotations

from dataclasses import dataclass

from components.git.repository import Repository
from components.image.image_name import ImageName
from components.image.image_signature import sign_image
from components.releases.release_file import Image, environment_folder
from components.signing.signers import FILE, key_among, parse_signers
from components.signing.workflow_identity import usable_key
from k8s.release.errors import PromotionError
from k8s.rendering.environment_registry import EnvironmentRegistry


@dataclass(frozen=True)
class Approval:
    """The image as the target names it, and what signs for the target: None for the running workflow's identity."""

    image: Image
    target: EnvironmentRegistry
    key: str | None

    @classmethod
    def of(cls, main: Repository, image: Image, target: EnvironmentRegistry, given: str) -> Approval | None:
        """What has to be signed; None where the target checks no signature. Nothing is signed yet.

        Args:
            main: the branch that the environments follow.
            image: the image as the target names it.
            target: the registry of the target.
            given: the key that a person names; empty for the first signer's own.

        Raises:
            SigningError: the target does not say who signs, or believes another key than the given one; or a workflow
                signs for it, and none runs.
            PromotionError: the image has no digest by which it could be signed.
        """
        path = f"{environment_folder(target.environment)}/{FILE}"
        signers = parse_signers(main.read(path), path)
        if signers.unchecked:
            return None
        if not image.digest:
            raise PromotionError(
                f"image {image.repository}:{image.tag} has no digest, so it cannot be signed for {target.environment}; "
                "`make publish` with the ENV where it passed, and release it by its digest"
            )
        key = key_among(signers, target.environment, given)
        usable_key(key)
        return cls(image, target, key)

    def sign(self) -> str:
        """Signs; returns a sentence that says so. What is signed already is left as it is.

        Raises:
            ComponentError: nothing can be signed, or a registry is away or refuses.
        """
        name = ImageName.parse(f"{self.image.repository}@{self.image.digest}")
        sign_image(name, self.key, place=self.target.signatures_of(name))
        return f"{name.at(name.digest)} is signed for {self.target.environment}"
