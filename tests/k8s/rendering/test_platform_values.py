"""Which file decides a value of the platform's chart: none is taken from one place while another one names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8s.errors import EnvironmentFileError
from k8s.rendering.platform_values import platform_settings
from tests.k8s.followed import write_tree


def settings(root: Path, canario: str = "", platform: str = "") -> dict[str, str]:
    folder = root / "k8s" / "envs" / "staging"
    (folder / "canario.yaml").write_text(canario)
    (folder / "platform.yaml").write_text(f"domain: example.com\n{platform}\n")
    options = platform_settings(root, "staging")
    assert options[::2] == ["--set-json"] * (len(options) // 2)
    return {key: value for key, _, value in (option.partition("=") for option in options[1::2])}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("alertmanager: {receiver: webhook}", r"alertmanager\.receiver is decided by the key alerts of platform\.yaml"),
        ("alertmanager: {secret: ''}", r"alertmanager\.secret is decided by the key alerts"),
        ("monitoring: {alerts: none}", r"monitoring\.alerts is decided by the key alerts"),
        ("gateway: {certificateFor: a.example}", r"gateway\.certificateFor is decided by the keys gateway and domain"),
        ("environment: {path: k8s/envs/other}", r"environment\.path is decided by the folder in which it stands"),
    ],
)
def test_what_another_file_decides_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(EnvironmentFileError, match=rf"staging/canario\.yaml: {sentence}.*; remove it"):
        settings(write_tree(tmp_path), text)


def test_what_no_other_file_decides_is_let_in(tmp_path: Path) -> None:
    text = "alertmanager: {groupIntervalSeconds: 5}\nmonitoring: {dashboard: false}\nenvironment: {branch: main}"
    found = settings(write_tree(tmp_path), text, 'alerts: {receiver: slack, secret: s, channel: "#a,b"}')
    assert found["alertmanager.channel"] == '"#a,b"'
    assert found["environment.path"] == '"k8s/envs/staging"'


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ("", "*.example.com"),
        ("gateway: {certificate: issuer/bank}", "*.example.com"),
        ("gateway: {certificate: none}", ""),
        ("values: {route: {gateway: {name: inner, namespace: edge}}}", ""),
    ],
)
def test_the_certificate_that_is_watched_is_our_gateways(tmp_path: Path, platform: str, name: str) -> None:
    assert settings(write_tree(tmp_path), platform=platform)["gateway.certificateFor"] == f'"{name}"'
