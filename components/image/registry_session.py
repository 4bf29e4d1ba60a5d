"""Requests to one registry: logged in as it asks, and repeated where a failure may pass with time.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md, https://distribution.github.io/distribution/spec/auth/token
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import requests

from components.errors import ImageRegistryError
from components.image.logins import Login, find_login

#: Registries that are spoken to without TLS, besides those on this machine: host:port, separated by commas.
INSECURE_VARIABLE: Final = "CANARIO_INSECURE_REGISTRIES"
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "[::1]")
_CONNECT_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 120.0
#: Statuses of a registry that may answer later.
_PASSING: Final = (408, 429, 500, 502, 503, 504)
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0)
_LONGEST_PAUSE: Final = 30.0

_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')

Body = bytes | Path | None
_Result = TypeVar("_Result")


class PassingError(Exception):
    """A failure that may pass with time; `seconds` is how long the registry asks to wait."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class RegistrySession:
    """Requests to one registry."""

    def __init__(
        self, registry: str, environment: Mapping[str, str] = os.environ, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """`registry` is its host, with a port if it has one."""
        self.registry = registry
        self._environment, self._pause = environment, pause
        self._plain = is_plain(registry, environment)
        host = "registry-1.docker.io" if registry == "docker.io" else registry
        self.url = f"{'http' if self._plain else 'https'}://{host}"
        self._session = requests.Session()
        self._session.auth = _as_it_is
        # A proxy does not reach this machine's own registry.
        self._session.trust_env = not (self._plain and _host(registry) in _THIS_MACHINE)
        #: The header Authorization for each purpose, because a token is good for some repositories only.
        self._authorizations: dict[str, str] = {}

    def steadily(self, action: Callable[[], _Result]) -> _Result:
        """What `action` returns, which is called again after a failure that may pass.

        Raises:
            ImageRegistryError: it failed each time.
        """
        for seconds in _PAUSES:
            try:
                return action()
            except PassingError as error:
                self._pause(max(seconds, min(error.seconds, _LONGEST_PAUSE)))
        try:
            return action()
        except PassingError as error:
            raise ImageRegistryError(f"{self.registry}: {error} ({len(_PAUSES) + 1} times); try again later") from error

    def ask(
        self,
        method: str,
        place: str,
        purpose: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        stream: bool = False,
    ) -> requests.Response:
        """One request, with a login if the registry asks for one.

        Args:
            method: the method.
            place: path below the registry, or a whole address.
            purpose: requests of one purpose share a token, such as "pull models/churn".
            headers: further headers.
            body: bytes or a file to send.
            stream: leave the answer's body to be read by the caller.

        Raises:
            PassingError: the registry is away or busy.
            ImageRegistryError: it does not let us in.
        """
        url = urljoin(self.url, place)
        answer = self._send(method, url, purpose, headers, body, stream=stream)
        if answer.status_code == requests.codes.unauthorized:
            self._authorizations[purpose] = self._authorize(answer)
            answer = self._send(method, url, purpose, headers, body, stream=stream)
        if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
            raise ImageRegistryError(
                f"{self.registry} does not allow to {purpose} with this login: {said(answer)}. "
                f"`docker login {self.registry}` with a user who may writes another"
            )
        return answer

    def _send(
        self, method: str, url: str, purpose: str, headers: Mapping[str, str] | None, body: Body, *, stream: bool
    ) -> requests.Response:
        sent = dict(headers or {})
        authorization = self._authorizations.get(purpose)
        # An upload may go to a store of another host, which must not see the login.
        if authorization and urlsplit(url).netloc == urlsplit(self.url).netloc:
            sent["Authorization"] = authorization
        limits = (_CONNECT_SECONDS, _ANSWER_SECONDS)
        try:
            with body.open("rb") if isinstance(body, Path) else nullcontext(body) as data:
                answer = self._session.request(method, url, headers=sent, data=data, stream=stream, timeout=limits)
        except requests.exceptions.SSLError as error:
            raise ImageRegistryError(
                f"{self.registry}: {error}. Where it speaks no TLS, {INSECURE_VARIABLE}={self.registry} says so"
            ) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise PassingError(f"does not answer: {_reason(error)}") from error
        if answer.status_code in _PASSING:
            raise PassingError(f"answered {said(answer)}", _asked_pause(answer))
        return answer

    def _authorize(self, refusal: requests.Response) -> str:
        """The header Authorization that a refusal asks for."""
        challenge = refusal.headers.get("WWW-Authenticate", "")
        kind, _, rest = challenge.partition(" ")
        login = find_login(self.registry, self._environment)
        if kind.lower() == "basic":
            if login is None:
                raise ImageRegistryError(self._no_login())
            return _basic(login)
        if kind.lower() != "bearer":
            raise ImageRegistryError(
                f"{self.registry} asks for a login of the kind {kind!r}; Basic and Bearer are known"
            )
        return f"Bearer {self._token(dict(_PARAMETER.findall(rest)), login)}"

    def _token(self, challenge: Mapping[str, str], login: Login | None) -> str:
        realm = challenge.get("realm", "")
        if not realm.startswith("https://") and not (self._plain and realm.startswith("http://")):
            raise ImageRegistryError(f"{self.registry} sends logins to {realm!r}; an https:// address is wanted")
        asked = {name: challenge[name] for name in ("service", "scope") if name in challenge}
        try:
            answer = self._ask_token(realm, asked, login)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise PassingError(f"gives no token: {_reason(error)}") from error
        if answer.status_code in _PASSING:
            raise PassingError(f"gives no token: {said(answer)}", _asked_pause(answer))
        if not answer.ok:
            raise ImageRegistryError(
                self._no_login() if login is None else f"{self.registry} refuses the login: {said(answer)}"
            )
        try:
            document = answer.json()
            return str(document.get("token") or document["access_token"])
        except (ValueError, LookupError, AttributeError) as error:
            raise ImageRegistryError(f"{self.registry}: {realm} gave no token") from error

    def _ask_token(self, realm: str, asked: Mapping[str, str], login: Login | None) -> requests.Response:
        limits = (_CONNECT_SECONDS, _ANSWER_SECONDS)
        if login and login.identity_token:
            form = {**asked, "grant_type": "refresh_token", "refresh_token": login.identity_token}
            return self._session.post(realm, data=form, timeout=limits)
        headers = {"Authorization": _basic(login)} if login else {}
        # The scopes of a challenge are separated by blanks, and a token's address takes one parameter for each.
        scopes = [("scope", scope) for scope in asked.get("scope", "").split() if scope]
        service = [("service", asked["service"])] if "service" in asked else []
        return self._session.get(realm, params=[*service, *scopes], headers=headers, timeout=limits)

    def _no_login(self) -> str:
        return (
            f"{self.registry} wants a login, and there is none: `docker login {self.registry}` writes one, "
            "or DOCKER_CONFIG names the folder of a config.json that has it"
        )


def said(answer: requests.Response) -> str:
    """What a registry said: its status, and its own words if it has some."""
    try:
        errors = answer.json()["errors"]
        words = "; ".join(f"{one.get('code', '')} {one.get('message', '')}".strip() for one in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        words = answer.reason or ""
    return f"{answer.status_code} {words}".strip()


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps the header that we set; without it requests would put a password of ~/.netrc in its place."""
    return request


def is_plain(registry: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a registry is spoken to without TLS: one on this machine, or one that is listed."""
    return _host(registry) in _THIS_MACHINE or is_listed(registry, environment)


def is_listed(registry: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the setting lists a registry, with its port or without, as one that is spoken to without TLS."""
    listed = {name.strip() for name in environment.get(INSECURE_VARIABLE, "").split(",")}
    return registry in listed or _host(registry) in listed


def _host(registry: str) -> str:
    return registry if registry.endswith("]") else re.sub(r":\d+$", "", registry)


def _basic(login: Login) -> str:
    return f"Basic {base64.b64encode(f'{login.user}:{login.password}'.encode()).decode()}"


def _asked_pause(answer: requests.Response) -> float:
    asked: Any = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def _reason(error: Exception) -> str:
    """The innermost reason of a failed connection, without the objects around it."""
    text = str(error)
    return text.rpartition(": ")[2].rstrip(")'\" ") or type(error).__name__
