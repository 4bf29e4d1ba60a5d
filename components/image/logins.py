"""Logins to registries, as `docker login`, `podman login` and a cluster's pull secret write them."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.errors import ImageRegistryError

_HELPER_SECONDS: Final = 60
#: The name of Docker's own registry in these files.
_DOCKER_HUB: Final = ("docker.io", "index.docker.io", "registry-1.docker.io")


@dataclass(frozen=True, repr=False)
class Login:
    """A user with a password, or an identity token that is exchanged for tokens (Azure)."""

    user: str
    password: str
    identity_token: str = ""


def find_login(registry: str, environment: Mapping[str, str]) -> Login | None:
    """The login to a registry, from the text of $DOCKER_AUTH_CONFIG or the first standard file that has one, or None.

    Raises:
        ImageRegistryError: a file is no such file, or its program that knows the password failed.
    """
    for path, document in _documents(environment):
        for key in _keys(registry):
            login = _helped(document, key, path) or _written(document, key, path)
            if login:
                return login
    return None


def _documents(environment: Mapping[str, str]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """What tells logins: a text that a pod gets from a secret of type kubernetes.io/dockerconfigjson, then files."""
    text = environment.get("DOCKER_AUTH_CONFIG")
    if text:
        yield Path("$DOCKER_AUTH_CONFIG"), _parsed(text, Path("$DOCKER_AUTH_CONFIG"))
    for path in _files(environment):
        yield path, _read(path)


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """The files that engines write: each is asked only if it exists."""
    home = Path(environment.get("HOME") or Path.home())
    places = [
        Path(environment["REGISTRY_AUTH_FILE"]) if environment.get("REGISTRY_AUTH_FILE") else None,
        Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
        Path(environment["XDG_RUNTIME_DIR"], "containers/auth.json") if environment.get("XDG_RUNTIME_DIR") else None,
    ]
    return (path for path in places if path is not None and path.is_file())


def _keys(registry: str) -> list[str]:
    """The names under which a file may keep a registry."""
    if registry in _DOCKER_HUB:
        return ["https://index.docker.io/v1/", *_DOCKER_HUB]
    return [registry, f"https://{registry}", f"http://{registry}", f"https://{registry}/v2/", f"https://{registry}/v1/"]


def _read(path: Path) -> dict[str, Any]:
    try:
        return _parsed(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise ImageRegistryError(f"{path}: cannot be read for logins to registries: {error}") from error


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ImageRegistryError(f"{path}: cannot be read for logins to registries: {error}") from error
    if not isinstance(document, dict):
        raise ImageRegistryError(f"{path}: is no file of logins to registries")
    return document


def _written(document: Mapping[str, Any], key: str, path: Path) -> Login | None:
    entry = (document.get("auths") or {}).get(key) or {}
    user, password = str(entry.get("username", "")), str(entry.get("password", ""))
    if entry.get("auth"):
        try:
            user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        except ValueError as error:
            raise ImageRegistryError(f"{path}: auths.{key}.auth: is no base64 of user:password") from error
    token = str(entry.get("identitytoken", ""))
    return Login(user, password.rstrip("\x00"), token) if token or user else None


def _helped(document: Mapping[str, Any], key: str, path: Path) -> Login | None:
    """The login that a credential helper knows, such as `docker-credential-gcloud`."""
    helper = (document.get("credHelpers") or {}).get(key)
    # The store of all logins is asked only for what the file says was logged in to.
    if not helper and document.get("credsStore") and key in (document.get("auths") or {}):
        helper = document["credsStore"]
    if not helper:
        return None
    command = [f"docker-credential-{helper}", "get"]
    try:
        done = subprocess.run(command, input=key, capture_output=True, text=True, check=False, timeout=_HELPER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageRegistryError(f"{path}: names {command[0]} for {key}, which cannot be run: {error}") from error
    if done.returncode:
        raise ImageRegistryError(f"{command[0]} knows no login to {key}: {(done.stderr or done.stdout).strip()[-300:]}")
    try:
        said = json.loads(done.stdout)
        user, secret = said["Username"], said["Secret"]
    except (ValueError, LookupError, TypeError) as error:
        raise ImageRegistryError(f"{command[0]} answers with no login to {key}") from error
    return Login("", "", secret) if user == "<token>" else Login(user, secret)
