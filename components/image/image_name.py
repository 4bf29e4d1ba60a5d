"""The name of an image in a registry: host/folder/name, with a tag, a digest or both."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from components.errors import ImageRegistryError

_HOST = r"(?P<registry>localhost(?::\d+)?|[\w-]+(?:\.[\w-]+)+(?::\d+)?|[\w-]+:\d+|\[[0-9a-fA-F:]+\](?::\d+)?)"
_PATH = r"(?P<repository>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
_NAME = re.compile(rf"{_HOST}/{_PATH}(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?")


@dataclass(frozen=True)
class ImageName:
    """The parts of a name. `tag` and `digest` may be empty."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """The parts of `text`.

        Raises:
            ImageRegistryError: it has no registry's host in front, or characters that no name may have.
        """
        match = _NAME.fullmatch(text)
        if match is None:
            raise ImageRegistryError(
                f"{text!r} is no image in a registry; host/folder/name:tag or host/folder/name@sha256:... is wanted, "
                "in small letters, and the host with a dot or a port"
            )
        return cls(**{part: value or "" for part, value in match.groupdict().items()})

    @property
    def reference(self) -> str:
        """What a registry is asked for: the digest, else the tag, else `latest`."""
        return self.digest or self.tag or "latest"

    @property
    def bare(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def tagged(self, tag: str) -> ImageName:
        """The same name with this tag and no digest."""
        return replace(self, tag=tag, digest="")

    def at(self, digest: str) -> str:
        """The name with a digest, which names these bytes for ever."""
        return f"{self.bare}@{digest}"
