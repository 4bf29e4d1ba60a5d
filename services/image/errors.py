"""The errors of building images.

ImageError
├── EngineError     there is no engine, or the engine failed
└── RefusedImage    the image was built and failed its check
"""


class ImageError(Exception):
    """An error that a person can act on; its message is meant to be shown."""


class EngineError(ImageError):
    """There is no engine, or the engine failed."""


class RefusedImage(ImageError):  # noqa: N818 -- a verdict, as the image itself says it
    """The image failed its check and did not get its name."""
