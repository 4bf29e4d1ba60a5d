"""The errors of making images.

ImageError
├── EngineError     nothing here can build an image, or it failed
└── RefusedImage    it was built, and is not good
"""


class ImageError(Exception):
    """A fault that a person can act on; its message is one to show."""


class EngineError(ImageError):
    """No engine, or an engine that failed."""


class RefusedImage(ImageError):  # noqa: N818 -- a verdict, as the image itself says it
    """An image that did not pass its check; it did not get its name."""
