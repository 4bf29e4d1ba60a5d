"""The address that is printed is one that works, or it is said what is missing."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from k8s.deploy import public_address
from k8s.deploy.public_address import PublicAddress, fault_of, told
from k8s.rendering.gateway import names
from tests.tls_server import TlsServer, tls_server

DOMAIN = "canario.local"
HOST = f"churn.{DOMAIN}"


def answer(host: str) -> tuple[int, Mapping[str, str]]:
    return 200 if host == HOST else 404, {}


def gateway(folder: Path) -> AbstractContextManager[TlsServer]:
    """A gateway that knows one host."""
    return tls_server(folder, DOMAIN, names(DOMAIN), answer)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_address, "_PAUSE_SECONDS", 0.0)


def test_the_printed_command_works(tmp_path: Path) -> None:
    with gateway(tmp_path) as server:
        port, authority = server.port, server.authority
        address = PublicAddress(f"https://{HOST}:{port}", "127.0.0.1", authority)
        first, command = told(address, tmp_path)
        assert first == f"https://{HOST}:{port} (its name does not lead to the gateway, 127.0.0.1)"
        words = shlex.split(command)
        assert words == [
            *("curl", "--cacert", "ca.pem", "--connect-to", f"{HOST}:{port}:127.0.0.1"), f"https://{HOST}:{port}/schema"
        ]  # fmt: skip
        done = subprocess.run([*words, "-sS"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "{}"), done.stderr


def test_an_address_that_does_not_answer_is_said(tmp_path: Path) -> None:
    """Without its authority, under another name, or where nobody listens."""
    with gateway(tmp_path) as server:
        port, authority = server.port, server.authority
        assert fault_of(PublicAddress(f"https://{HOST}:{port}", "127.0.0.1", authority)) == ""
        assert "CERTIFICATE_VERIFY_FAILED" in fault_of(PublicAddress(f"https://{HOST}:{port}", "127.0.0.1", None))
        other = PublicAddress(f"https://churn.example.com:{port}", "127.0.0.1", authority)
        assert "mismatch" in fault_of(other)
        unknown = PublicAddress(f"https://fraud.{DOMAIN}:{port}", "127.0.0.1", authority)
        assert fault_of(unknown) == "/readyz answers 404"
    gone = PublicAddress(f"https://{HOST}:{port}", "127.0.0.1", authority)
    assert list(told(gone, tmp_path))[-1].startswith("warning: it does not answer there: ")


def test_a_name_that_leads_to_the_gateway_is_enough(tmp_path: Path) -> None:
    first, command, warning = told(PublicAddress("http://localhost:9", "127.0.0.1", None), tmp_path)
    assert (first, command) == ("http://localhost:9", "  curl http://localhost:9/schema")
    assert "refused" in warning


def test_a_gateway_without_an_address_is_said(tmp_path: Path) -> None:
    assert list(told(PublicAddress("https://a.b", None, None), tmp_path)) == [
        "https://a.b (the gateway has no address yet)"
    ]
