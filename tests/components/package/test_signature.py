"""A package is accepted only with the right key's signature. model-signing makes every signature here."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from components.errors import PackageError, SignatureError
from components.package.model_package import Package, read_package
from components.package.signature import check_signature, read_public_key, signature_file
from components.signing.signer import key_signer, sign_package
from tests.signing_keys import Keys, write_keys
from tests.small_package import small_contract, write_small_package


@dataclass
class Signed:
    package: Package
    keys: Keys

    @property
    def file(self) -> Path:
        return signature_file(self.package.path)

    def check(self, pem: str | None = None) -> None:
        check_signature(read_package(self.package.path), pem or self.keys.public)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    home = tmp_path_factory.mktemp("signed")
    signed = Signed(write_small_package(home / "package"), write_keys(home / "keys"))
    sign_package(signed.package, key_signer(signed.keys.private))
    return signed


@pytest.fixture
def signed(made: Signed, tmp_path: Path) -> Signed:
    """A copy of the signed package for a test to attack."""
    shutil.copytree(made.package.path, tmp_path / "package")
    shutil.copyfile(made.file, tmp_path / "package.sigstore.json")
    return Signed(read_package(tmp_path / "package"), made.keys)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def test_the_right_keys_signature_is_taken(signed: Signed) -> None:
    signed.check()


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_every_curve_that_may_sign_is_taken(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    """No command signs with these any more; packages that were signed with them stay good."""
    signed = Signed(write_small_package(tmp_path / "package"), write_keys(tmp_path / "keys", curve))
    key = load_pem_private_key(signed.keys.private.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    sign_package(signed.package, key_signer(key))
    signed.check()
    flip(signed.file, 1000)
    with pytest.raises(SignatureError):
        signed.check()


def test_the_signature_does_not_change_the_packages_digest(made: Signed, tmp_path: Path) -> None:
    assert read_package(made.package.path).digest == write_small_package(tmp_path / "unsigned").digest


def test_another_keys_signature_is_refused(signed: Signed, tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=r"package\.sigstore\.json: was made with another key"):
        signed.check(write_keys(tmp_path / "other").public)


def test_another_keys_signature_under_the_right_name_is_refused(signed: Signed, tmp_path: Path) -> None:
    right = json.loads(signed.file.read_text())
    sign_package(signed.package, key_signer(write_keys(tmp_path / "other").private))
    forged = json.loads(signed.file.read_text())
    forged["verificationMaterial"] = right["verificationMaterial"]
    signed.file.write_text(json.dumps(forged))
    with pytest.raises(SignatureError, match="the key did not sign this"):
        signed.check()


def test_a_missing_signature_is_refused(signed: Signed) -> None:
    signed.file.unlink()
    with pytest.raises(SignatureError, match=r"package\.sigstore\.json: is missing.*`make sign`"):
        signed.check()


def test_any_flipped_byte_of_the_signature_is_refused(signed: Signed) -> None:
    content = signed.file.read_bytes()
    taken = []
    for place in range(len(content)):
        flip(signed.file, place)
        try:
            check_signature(signed.package, signed.keys.public)
        except SignatureError:
            pass
        else:
            taken.append(place)
        signed.file.write_bytes(content)
    assert len(content) > 1000
    assert taken == []


@pytest.mark.parametrize("name", ["model.onnx", "contract.json", "golden.jsonl", "holdout.json", "receipt.json"])
def test_a_flipped_byte_of_any_file_is_refused(signed: Signed, name: str) -> None:
    # The middle of the receipt is a digest or a text; a change to either makes another package.
    flip(signed.package.path / name, len((signed.package.path / name).read_bytes()) // 2)
    with pytest.raises(PackageError):
        signed.check()


def test_another_package_that_is_whole_is_refused(signed: Signed, tmp_path: Path) -> None:
    shutil.rmtree(signed.package.path)
    other = write_small_package(signed.package.path, small_contract(latency_p99_ms=51))
    assert other.digest != signed.package.digest
    with pytest.raises(
        SignatureError, match=f"signs {signed.package.digest}, and the package beside it is {other.digest}"
    ):
        signed.check()


def test_an_extra_file_is_refused(signed: Signed) -> None:
    (signed.package.path / "model.pkl").write_bytes(b"")
    with pytest.raises(PackageError, match=r"model\.pkl: does not belong"):
        signed.check()


def test_a_signature_over_an_extra_file_is_refused(signed: Signed) -> None:
    (signed.package.path / "model.pkl").write_bytes(b"")
    sign_package(signed.package, key_signer(signed.keys.private))
    (signed.package.path / "model.pkl").unlink()
    with pytest.raises(SignatureError, match="and the package beside it is"):
        signed.check()


def test_a_statement_about_something_else_is_refused(signed: Signed) -> None:
    """A document of another kind is refused, even with a signature by the right key."""
    document = json.loads(signed.file.read_text())
    payload = b64decode(document["dsseEnvelope"]["payload"]).replace(b"model_signing/signature", b"another/predicate")
    document["dsseEnvelope"]["payload"] = b64encode(payload).decode()
    document["dsseEnvelope"]["signatures"][0]["sig"] = _signed(signed.keys.private, payload)
    signed.file.write_text(json.dumps(document))
    with pytest.raises(SignatureError, match="signs no package's files: predicateType"):
        signed.check()


def _signed(private: Path, payload: bytes) -> str:
    key = load_pem_private_key(private.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    kind = b"application/vnd.in-toto+json"
    encoded = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    return b64encode(key.sign(encoded, ec.ECDSA(hashes.SHA256()))).decode()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"null"])
def test_what_is_no_signature_is_refused(signed: Signed, content: bytes) -> None:
    signed.file.write_bytes(content)
    with pytest.raises(SignatureError, match="is no signature by a key"):
        signed.check()


@pytest.mark.parametrize("pem", ["", "abc", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_public_key_is_said(pem: str) -> None:
    with pytest.raises(SignatureError, match="the public key is no PEM text"):
        read_public_key(pem)


def test_a_key_of_another_kind_is_said(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="allowed: ECDSA on secp256r1, secp384r1, secp521r1"):
        read_public_key(write_keys(tmp_path, ec.SECP256K1()).public)
