"""Brings a promoted release's image to the registry that the target environment admits.

Each environment has a registry of its own, as a bank's has, and admits nothing else. The digest is the image's
identity, so a copy of it with its signatures is the image that passed.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.image.copying import ImagePlaces, SignedImage, copy_signed_image, open_places, read_signed_image
from components.image.image_name import ImageName
from components.releases.release_file import Image
from k8s.release.errors import PromotionError
from k8s.rendering.environment_registry import EnvironmentRegistry


@dataclass(frozen=True)
class ImageMove:
    """An image of one environment, and the same as another environment names it."""

    image: Image
    wanted: Image
    source: EnvironmentRegistry
    target: EnvironmentRegistry

    @classmethod
    def between(cls, image: Image, source: EnvironmentRegistry, target: EnvironmentRegistry) -> ImageMove:
        """What has to be copied, if anything.

        Raises:
            PromotionError: the image is not from the source's registry, or has no digest by which to copy it.
        """
        if target.has(image.repository):
            return cls(image, image, source, target)
        if not source.has(image.repository):
            raise PromotionError(
                f"image {image.repository} is not from {source.images}, the registry that {source.environment} admits; "
                f"release an image from there to {source.environment} first"
            )
        if not image.digest:
            raise PromotionError(
                f"image {image.repository}:{image.tag} has no digest, so {target.images}, the registry that "
                f"{target.environment} admits, cannot get the same one; `make publish ENV={source.environment}`, and "
                "release it by its digest"
            )
        name = image.repository.removeprefix(f"{source.images}/")
        return cls(image, image.model_copy(update={"repository": f"{target.images}/{name}"}), source, target)

    @property
    def is_needed(self) -> bool:
        """Whether the two environments have different registries."""
        return self.image != self.wanted

    def read(self) -> SignedImage:
        """The image with its signatures; nothing is written.

        Raises:
            ComponentError: it is not there, not signed or cannot be copied, or a registry is away or refuses.
            EnvironmentFileError: an environment names no repository of signatures.
        """
        found = read_signed_image(_places(self.image, self.source), self.image.digest)
        _places(self.wanted, self.target).images.digest_of(self.image.digest)  # It is there and lets us in.
        return found

    def copy(self, found: SignedImage) -> str:
        """Copies what `read` found; returns a sentence that says so.

        Raises:
            ComponentError: a registry is away or refuses; what was copied stays, and a repetition sends the rest.
        """
        source, target = _places(self.image, self.source), _places(self.wanted, self.target)
        sent = copy_signed_image(found, source, target, self.image.tag)
        return (
            f"{self.wanted.repository}@{found.digest} is the image of {self.source.environment} with its signatures; "
            f"sent: {sent.blobs} blobs, {sent.signatures} signatures and attestations"
        )


def _places(image: Image, registry: EnvironmentRegistry) -> ImagePlaces:
    name = ImageName.parse(image.repository)
    return open_places(name, registry.signatures_of(name))
