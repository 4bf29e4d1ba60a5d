"""One key signs packages and images, in each form in which a person has it; another is refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from components.errors import SigningError
from components.image.image_name import ImageName
from components.image.image_signature import is_signed, sign_image
from components.package.signature import check_signature
from components.signing.keys import ALGORITHM, open_key, public_text
from components.signing.signer import key_signer, sign_package
from tests.components.image.server_images import patient_repository, put_server
from tests.registry import Registry
from tests.small_package import write_small_package

PAIR = ec.generate_private_key(ec.SECP256R1())


def pkcs8(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = PAIR) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def sec1() -> bytes:
    """As `openssl ecparam -genkey -noout` writes it."""
    return PAIR.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def with_parameters() -> bytes:
    """As `openssl ecparam -genkey` writes it: these are the parameters of prime256v1."""
    return b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + sec1()


@pytest.fixture
def cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Answers as cosign 2.6 does for a key of its own or in a KMS: it signs with SHA-256, and prints base64."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pair.pem").write_bytes(pkcs8())
    (folder / "cosign").write_text(
        f"""#!/bin/sh
echo "$@" >> {folder}/asked
case $1 in
public-key) openssl ec -in {folder}/pair.pem -pubout 2>/dev/null ;;
sign-blob) eval file=\\${{$#}}; openssl dgst -sha256 -sign {folder}/pair.pem "$file" | openssl base64 -A ;;
esac
"""
    )
    (folder / "cosign").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return lambda: (folder / "asked").read_text().splitlines()


def sign_both(reference: str | Path, there: Registry, folder: Path) -> None:
    """Signs a package and an image with one key, and checks both signatures."""
    package = write_small_package(folder / "package")
    sign_package(package, key_signer(open_key(reference)))
    public = public_text(open_key(reference))
    check_signature(package, public)
    name = f"{there.address}/models/small"
    image = ImageName.parse(f"{name}@{put_server(patient_repository(name), '1').digest}")
    sign_image(image, reference)
    assert is_signed(image, public)


@pytest.mark.parametrize("form", [pkcs8, sec1, with_parameters])
def test_a_key_in_pem_signs_both(form: Callable[[], bytes], there: Registry, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(form())
    sign_both(key, there, tmp_path)


@pytest.mark.parametrize("kind", ["SIGSTORE", "COSIGN"])
def test_a_key_of_cosigns_signs_both(
    kind: str, there: Registry, tmp_path: Path, cosign: Callable[[], list[str]]
) -> None:
    key = tmp_path / "cosign.key"
    key.write_text(f"-----BEGIN ENCRYPTED {kind} PRIVATE KEY-----\nAA==\n-----END ENCRYPTED {kind} PRIVATE KEY-----\n")
    sign_both(key, there, tmp_path)
    assert f"public-key --key {key}" in cosign()
    assert any(line.startswith(f"sign-blob --yes --key {key} --tlog-upload=false ") for line in cosign())


def test_a_key_in_a_kms_signs_both(there: Registry, tmp_path: Path, cosign: Callable[[], list[str]]) -> None:
    address = "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/versions/1"
    sign_both(address, there, tmp_path)
    assert f"public-key --key {address}" in cosign()


@pytest.mark.parametrize("name", ["gcpkms://projects/p", "cosign.key"])
def test_without_cosign_its_keys_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cosign.key").write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SigningError, match="cosign is not on the PATH, and only a key in PEM signs without it"):
        open_key(name).sign(b"text", ALGORITHM)


def test_keys_that_cannot_sign_are_said(tmp_path: Path) -> None:
    locked = PAIR.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    for content, message in (
        (b"", "is no private key in PEM without a password; `openssl ecparam -name prime256v1"),
        (locked, "is no private key in PEM without a password"),
        (pkcs8(ec.generate_private_key(ec.SECP384R1())), "is no ECDSA key on the curve prime256v1"),
        (pkcs8(rsa.generate_private_key(65537, 2048)), "is no ECDSA key"),
        (PAIR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "is no private key in PEM"),
    ):
        key = tmp_path / "key.pem"
        key.write_bytes(content)
        with pytest.raises(SigningError, match=message):
            open_key(key)
    with pytest.raises(SigningError, match=r"none\.pem: is not there; `openssl"):
        open_key(tmp_path / "none.pem")


def test_what_cosign_answers_is_not_believed_blindly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cosign").write_text("#!/bin/sh\necho 'no key'\n")
    (tmp_path / "cosign").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    key = open_key("awskms:///alias/models")
    with pytest.raises(SigningError, match="gave no key in PEM"):
        key.public_key()
    with pytest.raises(SigningError, match="gave no signature, but 'no key"):
        key.sign(b"text", ALGORITHM)
    (tmp_path / "cosign").write_text("#!/bin/sh\necho denied >&2; exit 4\n")
    with pytest.raises(SigningError, match="cosign public-key ended with 4: denied"):
        key.public_key()
