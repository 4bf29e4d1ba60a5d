"""Logins are found where the usual programs write them, and a file that cannot be read is said."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from components.errors import ImageRegistryError
from components.image.logins import Login, find_login

HOST = "registry.example:5000"


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def config(folder: Path, document: Any, name: str = "config.json") -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return {"DOCKER_CONFIG": str(folder), "HOME": str(folder)}


@pytest.mark.parametrize("key", [HOST, f"https://{HOST}", f"https://{HOST}/v2/"])
def test_a_login_is_found_under_each_way_to_write_its_host(tmp_path: Path, key: str) -> None:
    environment = config(tmp_path, {"auths": {key: {"auth": auth("robot", "a:b")}}})
    assert find_login(HOST, environment) == Login("robot", "a:b")
    assert find_login("registry.example", environment) is None


def test_dockers_own_registry_has_a_name_of_its_own(tmp_path: Path) -> None:
    environment = config(tmp_path, {"auths": {"https://index.docker.io/v1/": {"auth": auth("u", "p")}}})
    assert find_login("docker.io", environment) == Login("u", "p")


def test_user_and_password_and_identity_tokens_are_taken(tmp_path: Path) -> None:
    entries = {HOST: {"username": "u", "password": "p"}, "a.example": {"identitytoken": "t", "auth": auth("0", "")}}
    environment = config(tmp_path, {"auths": entries})
    assert find_login(HOST, environment) == Login("u", "p")
    assert find_login("a.example", environment) == Login("0", "", "t")


def test_the_first_file_that_knows_the_registry_counts(tmp_path: Path) -> None:
    environment = config(tmp_path / "docker", {"auths": {HOST: {"auth": auth("docker", "p")}}})
    config(tmp_path / "run", {"auths": {"b.example": {"auth": auth("b", "p")}}}, "auth.json")
    (tmp_path / "x" / "containers").mkdir(parents=True)
    (tmp_path / "run" / "auth.json").rename(tmp_path / "x" / "containers" / "auth.json")
    environment["XDG_RUNTIME_DIR"] = str(tmp_path / "x")
    assert find_login(HOST, environment) == Login("docker", "p")
    assert find_login("b.example", environment) == Login("b", "p")
    config(tmp_path / "podman", {"auths": {HOST: {"auth": auth("podman", "p")}}}, "auth.json")
    environment["REGISTRY_AUTH_FILE"] = str(tmp_path / "podman" / "auth.json")
    assert find_login(HOST, environment) == Login("podman", "p")


def test_a_text_that_a_pod_gets_from_a_secret_comes_first(tmp_path: Path) -> None:
    environment = config(
        tmp_path, {"auths": {HOST: {"auth": auth("file", "p")}, "b.example": {"auth": auth("b", "p")}}}
    )
    environment["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {HOST: {"auth": auth("pod", "p")}}})
    assert find_login(HOST, environment) == Login("pod", "p")
    assert find_login("b.example", environment) == Login("b", "p")
    with pytest.raises(ImageRegistryError, match=r"^\$DOCKER_AUTH_CONFIG: cannot be read for logins"):
        find_login(HOST, {**environment, "DOCKER_AUTH_CONFIG": "{"})


def test_without_any_file_there_is_no_login(tmp_path: Path) -> None:
    assert find_login(HOST, {"HOME": str(tmp_path)}) is None
    assert find_login(HOST, config(tmp_path, {})) is None


HELPER = """#!/bin/sh
read -r host
[ "$1 $host" = "get registry.example:5000" ] || { echo "credentials not found"; exit 1; }
echo '{"ServerURL": "x", "Username": "USER", "Secret": "s"}'
"""


@pytest.mark.parametrize(
    ("document", "user", "login"),
    [
        ({"credHelpers": {HOST: "test"}}, "robot", Login("robot", "s")),
        ({"credHelpers": {HOST: "test"}}, "<token>", Login("", "", "s")),
        ({"credsStore": "test", "auths": {HOST: {}}}, "robot", Login("robot", "s")),
        ({"credsStore": "test", "auths": {}}, "robot", None),
    ],
)
def test_a_helper_is_asked_for_what_it_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: Any, user: str, login: Login | None
) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(HELPER.replace("USER", user))
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_login(HOST, config(tmp_path, document)) == login


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "cannot be read for logins"),
        ("[]", "is no file of logins"),
        ({"auths": {HOST: {"auth": "no base64!"}}}, r"auths\.registry\.example:5000\.auth: is no base64"),
        ({"credHelpers": {HOST: "absent"}}, "docker-credential-absent for registry.example:5000, which cannot be run"),
    ],
)
def test_a_file_that_is_wrong_is_said(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(ImageRegistryError, match=message):
        find_login(HOST, config(tmp_path, document))
