"""With a public key, the server takes only what its owner signed; it says so before anything runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.errors import PackageError, SignatureError
from components.package.model_package import Package, read_package
from components.package.signature import signature_file
from components.signing.signer import key_signer, sign_package
from services.model_server.build import build_bento, serve_command, serve_environment
from services.model_server.settings import read_settings
from services.model_server.verified_package import verified_package
from tests.patience import patient
from tests.services.model_server.served import HTTP, SERVER_PYTHON, START_SECONDS, free_port, small_bento, wait_for
from tests.signing_keys import Keys, write_keys
from tests.small_package import write_small_package


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return write_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def package(tmp_path: Path, keys: Keys) -> Package:
    package = write_small_package(tmp_path / "package")
    sign_package(package, key_signer(keys.private))
    return package


def admitted(package: Package, **settings: str) -> Package:
    return verified_package(read_settings({"CANARIO_PACKAGE": str(package.path), **settings}))


def test_without_a_key_a_whole_package_is_enough(package: Package, keys: Keys) -> None:
    signature_file(package.path).unlink()
    assert admitted(package) == package
    with pytest.raises(SignatureError, match="is missing"):
        admitted(package, CANARIO_PUBLIC_KEY=keys.public)


def test_with_the_right_key_the_signed_package_is_taken(package: Package, keys: Keys) -> None:
    assert admitted(package, CANARIO_PUBLIC_KEY=keys.public) == package


def test_a_key_that_is_none_is_no_open_door(package: Package) -> None:
    with pytest.raises(PackageError, match="the public key is no PEM text"):
        admitted(package, CANARIO_PUBLIC_KEY="not a key")


@pytest.fixture(scope="module")
def signed_bento(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    home = tmp_path_factory.mktemp("signed")
    unsigned = small_bento(tmp_path_factory)
    package = write_small_package(home / "package")
    sign_package(package, key_signer(keys.private))
    (home / "package.cdx.json").write_text("{}")
    signed = build_bento(package.path, home / "out")
    packages = {bento.name.partition("-")[0] for bento in (unsigned, signed)}
    assert len(packages) == 1
    assert signed.name != unsigned.name, "a package that is signed since is another bento"
    assert not (unsigned / "src" / "package.sigstore.json").exists()
    return signed


def test_the_signature_and_the_materials_travel_with_the_package(signed_bento: Path, keys: Keys) -> None:
    baked_in = signed_bento / "src" / "package"
    assert admitted(read_package(baked_in), CANARIO_PUBLIC_KEY=keys.public).digest == read_package(baked_in).digest
    assert (signed_bento / "src" / "package.cdx.json").read_text() == "{}"


def test_a_signed_bento_is_served_under_its_key(signed_bento: Path, keys: Keys, tmp_path: Path) -> None:
    port = free_port()
    environment = serve_environment(tmp_path, {"CANARIO_PUBLIC_KEY": keys.public, "CANARIO_DRAIN_SECONDS": "0"})
    command = serve_command(signed_bento, port, server_python=SERVER_PYTHON)
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,
    ):
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: HTTP.get(f"{url}/readyz").status_code == 200)
        finally:
            process.terminate()


def test_nothing_starts_under_another_key(signed_bento: Path, tmp_path: Path) -> None:
    """Nothing starts under another key, and a sentence says why."""
    other = write_keys(tmp_path / "keys").public
    command = serve_command(signed_bento, free_port(), server_python=SERVER_PYTHON)
    environment = serve_environment(tmp_path, {"CANARIO_PUBLIC_KEY": other})
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=patient(START_SECONDS), check=False
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("model server: ")
    assert "package.sigstore.json: was made with another key" in last
