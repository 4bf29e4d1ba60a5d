"""An image goes to a registry, signed under its digest; the registry, the signer and the engine are real."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.errors import SigningError
from services.image.errors import ImageError
from services.image.publish import main, publish
from tests.no_workflow import no_workflow
from tests.repo.tree import ROOT
from tests.signing_keys import write_keys

PACKAGE = "sha256:" + "ab" * 32
TOOLS = ROOT / "build" / "tools"
MATERIALS = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": []}


def _needed(name: str) -> str:
    found = shutil.which(name, path=f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    assert found, f"{name} is not on the PATH: `make tools TOOLS={name}`"
    return found


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty registry on this machine, which the engine may reach without TLS."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    address = f"127.0.0.1:{port}"
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    monkeypatch.setenv("PATH", f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    command = [_needed("crane"), "registry", "serve", "--address", address]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        assert "serving" in server.stderr.readline().lower()
        yield address
        server.terminate()


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COSIGN_PASSWORD", "")
    subprocess.run([_needed("cosign"), "generate-key-pair"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "cosign.key"


def record(home: Path, registry: str) -> Path:
    """An image with one small file, in the engine's store, and what `make image` says of it."""
    name = f"{registry}/models/churn"
    (home / "Containerfile").write_text("FROM scratch\nCOPY Containerfile /\n")
    command = ["buildah", "build", "--quiet", "--isolation=chroot", "--tag", f"{name}:abab", str(home)]
    subprocess.run(command, check=True, capture_output=True)
    (home / "images").mkdir()
    path = home / "images" / "churn.json"
    about = json.loads(subprocess.run(["buildah", "inspect", f"{name}:abab"], check=True, capture_output=True).stdout)
    built = {"name": name, "tag": "abab", "id": f"sha256:{about['FromImageID']}", "package": PACKAGE}
    path.write_text(json.dumps(built))
    folder = home / "store" / "packages"
    folder.mkdir(parents=True)
    (folder / f"{'ab' * 32}.cdx.json").write_text(json.dumps(MATERIALS))
    return path


def verified(kind: str, reference: str, key: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["cosign", kind, "--key", str(key.with_suffix(".pub")), "--insecure-ignore-tlog", *options, reference]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.images
def test_a_published_image_is_signed_and_has_its_materials(tmp_path: Path, registry: str, key: Path) -> None:
    """A published image is in the registry, signed and with its materials."""
    path = record(tmp_path, registry)
    reference = publish(path, tmp_path, key)
    name, _, digest = reference.partition("@")
    assert json.loads(path.read_text())["published"] == digest
    assert (tmp_path / "published" / "checksums.txt").read_text() == f"{digest.removeprefix('sha256:')}  {name}\n"
    there = subprocess.run(["crane", "digest", f"{name}:abab"], check=True, capture_output=True, text=True)
    assert there.stdout.strip() == digest
    assert verified("verify", reference, key).returncode == 0
    assert verified("verify-attestation", reference, key, "--type", "cyclonedx").returncode == 0
    assert publish(path, tmp_path, key) == reference
    assert len((tmp_path / "published" / "checksums.txt").read_text().splitlines()) == 1


@pytest.mark.images
def test_another_key_does_not_verify_it(tmp_path: Path, registry: str, key: Path) -> None:
    reference = publish(record(tmp_path, registry), tmp_path, key)
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run(["cosign", "generate-key-pair"], cwd=other, check=True, capture_output=True)
    assert verified("verify", reference, other / "cosign.key").returncode != 0


@pytest.mark.images
def test_what_could_not_be_signed_has_no_digest_to_release(tmp_path: Path, registry: str) -> None:
    path = record(tmp_path, registry)
    with pytest.raises(SigningError, match=r"no\.key: is not there"):
        publish(path, tmp_path, tmp_path / "no.key")
    broken = tmp_path / "broken.key"
    broken.write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    with pytest.raises(SigningError, match=r"cosign (sign-blob|public-key) ended with"):
        publish(path, tmp_path, broken)
    assert "published" not in json.loads(path.read_text())


@pytest.mark.images
def test_cosign_verifies_what_a_key_in_pem_signed(tmp_path: Path, registry: str) -> None:
    """A key in PEM signs without cosign, which then verifies signature and materials; another key does not."""
    keys, other = (write_keys(tmp_path / name) for name in ("keys", "other"))
    for pair in (keys, other):
        pair.private.with_suffix(".pub").write_text(pair.public)
    reference = publish(record(tmp_path, registry), tmp_path, keys.private)
    assert verified("verify", reference, keys.private).returncode == 0
    assert verified("verify-attestation", reference, keys.private, "--type", "cyclonedx").returncode == 0
    assert verified("verify", reference, other.private).returncode != 0
    assert publish(tmp_path / "images" / "churn.json", tmp_path, other.private) == reference
    for pair in (keys, other):  # each signature stays beside the other
        assert verified("verify", reference, pair.private).returncode == 0
        assert verified("verify-attestation", reference, pair.private, "--type", "cyclonedx").returncode == 0


def _said(**differences: Any) -> dict[str, Any]:
    return {"name": "registry.example/models/churn", "tag": "abab", "package": PACKAGE, **differences}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "`make image` writes it"),
        ("{}", "`make image` writes it"),
        (json.dumps(_said(name="registry.local/canario/churn")), "names no registry; `make image REGISTRY="),
        (json.dumps(_said()), "is not there; `make sign` writes the bill of materials"),
    ],
)
def test_an_unpublishable_image_is_refused_before_any_push(tmp_path: Path, text: str | None, message: str) -> None:
    """An image that cannot be published is refused before anything is pushed."""
    path = tmp_path / "churn.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ImageError, match=message):
        publish(path, tmp_path, None)
    assert not (tmp_path / "published").exists()


def test_a_person_without_key_and_env_pushes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment local checks nothing, so it names no signer; a person's own identity is no signer."""
    no_workflow(monkeypatch)
    # Whoever asked this registry would get another error.
    text = json.dumps(_said(name="127.0.0.1:1/models/judge", package=None, id=PACKAGE))
    (tmp_path / "judge.json").write_text(text)
    assert main(["--record", str(tmp_path / "judge.json"), "--out", str(tmp_path)]) == 1
    assert "give ENV=, an environment whose signer is in a KMS, or KEY=" in capsys.readouterr().err
    assert (tmp_path / "judge.json").read_text() == text
