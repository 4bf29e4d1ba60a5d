"""Tells at which address callers outside the cluster reach a service, and asks there whether it answers."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

#: A gateway takes up a new route within seconds.
_TRIES: Final = 5
_PAUSE_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0


@dataclass(frozen=True)
class PublicAddress:
    """Where a service is called.

    Attributes:
        url: its address by name.
        place: IP address or host name of the gateway; None if it has none yet.
        authority: file with the certificate authority that callers need to know; None for the usual ones.
    """

    url: str
    place: str | None
    authority: Path | None

    @property
    def host(self) -> str:
        """The service's host name."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The gateway's port."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)


def told(address: PublicAddress, root: Path) -> Iterator[str]:
    """What a person needs to call the service; a line each."""
    if address.place is None:
        yield f"{address.url} (the gateway has no address yet)"
        return
    known = bool(_addresses(address.host) & _addresses(address.place))
    yield address.url if known else f"{address.url} (its name does not lead to the gateway, {address.place})"
    yield f"  {curl(address, root, resolved=known)}"
    if fault := fault_of(address):
        yield f"warning: it does not answer there: {fault}"


def curl(address: PublicAddress, root: Path, *, resolved: bool) -> str:
    """The command that calls the service; where its name leads nowhere, curl is told where."""
    trust = ["--cacert", str(address.authority.relative_to(root))] if address.authority else []
    place = [] if resolved else ["--connect-to", f"{address.host}:{address.port}:{_bracketed(address.place or '')}"]
    return " ".join(["curl", *trust, *place, f"{address.url}/schema"])


def fault_of(address: PublicAddress, tries: int = _TRIES) -> str:
    """Why the service does not answer at the gateway's address under its own name; empty if it does."""
    fault = ""
    for attempt in range(tries):
        time.sleep(_PAUSE_SECONDS if attempt else 0)
        fault = _fault(address)
        if not fault:
            return ""
    return fault


def _fault(address: PublicAddress) -> str:
    parts = urlsplit(address.url)
    url = f"{parts.scheme}://{_bracketed(address.place or '')}:{address.port}/readyz"
    # The certificate is checked against the service's name, whatever address was dialled.
    name = {"sni_hostname": address.host}
    try:
        context = ssl.create_default_context(cafile=str(address.authority) if address.authority else None)
        with httpx.Client(verify=context, timeout=_ANSWER_SECONDS, trust_env=False) as client:
            status = client.get(url, headers={"host": parts.netloc}, extensions=name).status_code
    except (httpx.HTTPError, OSError) as error:
        return str(error) or type(error).__name__
    return "" if status == httpx.codes.OK else f"/readyz answers {status}"


def _addresses(host: str) -> set[str]:
    try:
        return {str(one[4][0]) for one in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return set()


def _bracketed(place: str) -> str:
    return f"[{place}]" if ":" in place else place
