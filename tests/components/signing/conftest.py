"""Signatures of images are kept by the registry of the images' tests."""

from tests.components.image.conftest import there

__all__ = ["there"]
