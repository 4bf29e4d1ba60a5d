"""The settings of a release, checked against those that the model server reads."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from components.errors import ReleaseError
from components.releases.release_file import Release, is_own, parse_release
from services.model_server.settings import PREFIX, Settings

#: The prefix of settings that make a server fake faults.
FAULT_PREFIX: Final = f"{PREFIX}FAULT_"
ALLOWED_SETTINGS = tuple(sorted(name for field in Settings.model_fields if not is_own(name := PREFIX + field.upper())))


def checked_release(text: str, name: str, service: str) -> Release:
    """The release in a file's text, if the server knows its settings; `name` says in messages where it came from.

    Raises:
        ReleaseError: it is not a release of this service, or has another setting; every fault is named.
    """
    release = parse_release(text, name, service)
    candidate = release.candidate
    faults = [f"settings: {fault}" for fault in _unknown(release.settings)]
    faults += [f"candidate.settings: {fault}" for fault in (_unknown(candidate.settings) if candidate else [])]
    if faults:
        raise ReleaseError("\n".join(f"{name}: {fault}" for fault in faults))
    return release


def faked_faults(release: Release) -> list[str]:
    """The settings of a release, or of its shadow version, by which a server fakes faults."""
    shadow = release.candidate.settings if release.candidate else {}
    return sorted(name for name in {**release.settings, **shadow} if name.startswith(FAULT_PREFIX))


def _unknown(settings: Mapping[str, str]) -> list[str]:
    """Names that the server does not read; such a setting would silently do nothing."""
    return [f"{name} is no setting of the server; {_hint(name)}" for name in settings if name not in ALLOWED_SETTINGS]


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, ALLOWED_SETTINGS, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(ALLOWED_SETTINGS)}"
