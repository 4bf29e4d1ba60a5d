"""Signatures of images are as cosign writes them; what is signed already is left as it is."""

from __future__ import annotations

import json
import os
from base64 import b64decode, urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from components.errors import SigningError
from components.image.image_name import ImageName
from components.image.image_signature import is_signed, sign_image
from components.package.signature import encoded
from tests.components.image.server_images import patient_repository, put_server
from tests.no_workflow import no_workflow
from tests.registry import Registry
from tests.signing_keys import Keys, write_keys

MATERIALS = b'{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}'


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return write_keys(tmp_path / "keys")


@pytest.fixture
def image(there: Registry) -> ImageName:
    name = f"{there.address}/models/small"
    return ImageName.parse(f"{name}@{put_server(patient_repository(name), '1').digest}")


def layers(there: Registry, image: ImageName, kind: str) -> list[tuple[dict[str, str], bytes]]:
    """Annotations and bytes of the layers under a tag of an image's digest."""
    kept = there.kept("models/small")
    content, _ = kept.manifests[kept.tags[f"{image.digest.replace(':', '-')}.{kind}"]]
    return [(layer.get("annotations", {}), kept.blobs[layer["digest"]]) for layer in json.loads(content)["layers"]]


def verify(keys: Keys, signature: str, content: bytes) -> None:
    public = load_pem_public_key(keys.public.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(b64decode(signature), content, ec.ECDSA(hashes.SHA256()))


def test_a_signature_names_the_images_digest(there: Registry, image: ImageName, keys: Keys, tmp_path: Path) -> None:
    sign_image(image, keys.private)
    ((annotations, payload),) = layers(there, image, "sig")
    verify(keys, annotations["dev.cosignproject.cosign/signature"], payload)
    critical = json.loads(payload)["critical"]
    assert critical["image"] == {"docker-manifest-digest": image.digest}
    assert critical["identity"] == {"docker-reference": image.bare}
    assert critical["type"] == "cosign container image signature"
    with pytest.raises(InvalidSignature):
        verify(write_keys(tmp_path / "other"), annotations["dev.cosignproject.cosign/signature"], payload)


def test_an_attestation_holds_the_bill_of_materials(there: Registry, image: ImageName, keys: Keys) -> None:
    sign_image(image, keys.private, MATERIALS)
    ((annotations, content),) = layers(there, image, "att")
    envelope = json.loads(content)
    statement = b64decode(envelope["payload"])
    verify(keys, envelope["signatures"][0]["sig"], encoded(statement))
    said = json.loads(statement)
    assert said["subject"] == [{"name": image.bare, "digest": {"sha256": image.digest.removeprefix("sha256:")}}]
    assert said["predicate"] == json.loads(MATERIALS)
    assert said["predicateType"] == annotations["predicateType"] == "https://cyclonedx.org/bom"


def test_what_is_signed_is_left_as_it_is(there: Registry, image: ImageName, keys: Keys) -> None:
    sign_image(image, keys.private, MATERIALS)
    before = dict(there.kept("models/small").tags)
    there.asked.clear()
    sign_image(image, keys.private, MATERIALS)
    assert there.kept("models/small").tags == before
    assert there.counted("^(PUT|POST)") == 0


def test_another_keys_signature_is_added_and_the_first_stays(
    there: Registry, image: ImageName, keys: Keys, tmp_path: Path
) -> None:
    other = write_keys(tmp_path / "other")
    for pair in (keys, other, keys, other):
        sign_image(image, pair.private, MATERIALS)
    signatures = layers(there, image, "sig")
    assert len(signatures) == len(layers(there, image, "att")) == 2
    for pair, (notes, payload) in zip((keys, other), signatures, strict=True):
        verify(pair, notes["dev.cosignproject.cosign/signature"], payload)


def test_other_materials_are_attested_beside_the_first(there: Registry, image: ImageName, keys: Keys) -> None:
    sign_image(image, keys.private, MATERIALS)
    sign_image(image, keys.private, MATERIALS.replace(b'"version":1', b'"version":2'))
    assert len(layers(there, image, "att")) == 2


def test_a_signature_that_is_broken_does_not_count(there: Registry, image: ImageName, keys: Keys) -> None:
    sign_image(image, keys.private)
    kept = there.kept("models/small")
    tag = f"{image.digest.replace(':', '-')}.sig"
    content, kind = kept.manifests[kept.tags[tag]]
    document = json.loads(content)
    document["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"] = "AAAA"
    kept.manifests[kept.tags[tag]] = (json.dumps(document).encode(), kind)
    sign_image(image, keys.private)
    annotations, payload = layers(there, image, "sig")[-1]
    verify(keys, annotations["dev.cosignproject.cosign/signature"], payload)


def test_a_key_that_cannot_sign_writes_nothing(there: Registry, image: ImageName, tmp_path: Path) -> None:
    with pytest.raises(SigningError, match=r"none\.pem: is not there"):
        sign_image(image, tmp_path / "none.pem")
    assert not any(tag.endswith(".sig") for tag in there.kept("models/small").tags)


def test_without_a_key_a_person_is_never_asked(
    there: Registry, image: ImageName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside of a workflow cosign is not called: it would put a person's e-mail address into a public log."""
    no_workflow(monkeypatch)
    program = tmp_path / "cosign"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SigningError, match=r"this is no workflow with an identity.* give ENV=.* or KEY="):
        sign_image(image, None, MATERIALS)
    assert not (tmp_path / "asked").exists()


def test_a_workflow_without_a_key_signs_keyless(
    image: ImageName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_workflow(monkeypatch)
    claims = json.dumps({"aud": "sigstore", "sub": "train", "iat": 0, "exp": 2**33}).encode()
    token = f"e30.{urlsafe_b64encode(claims).decode().rstrip('=')}.e30"
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("SIGSTORE_ID_TOKEN", token)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SigningError, match="cosign is not on the PATH, and only a key in PEM signs without it"):
        sign_image(image, None)
    program = tmp_path / "cosign"
    asks = f'echo "$@" >> {tmp_path}/asked; echo "$SIGSTORE_ID_TOKEN" > {tmp_path}/token'
    program.write_text(f'#!/bin/sh\n{asks}\n[ "$1" = sign ] || {{ echo no >&2; exit 3; }}\n')
    program.chmod(0o755)
    with pytest.raises(SigningError, match="cosign attest ended with 3: no"):
        sign_image(image, None, MATERIALS)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == f"sign --yes --allow-http-registry {image.at(image.digest)}"
    assert (tmp_path / "token").read_text() == f"{token}\n"
    assert asked[1].startswith("attest --yes --allow-http-registry --type cyclonedx --predicate ")


def test_whose_signature_it_is_is_told(there: Registry, image: ImageName, keys: Keys, tmp_path: Path) -> None:
    other = write_keys(tmp_path / "other")
    assert not is_signed(image, keys.public)
    sign_image(image, keys.private)
    assert is_signed(image, keys.public)
    assert not is_signed(image, other.public)
    # The same signature, moved to another image, is none of that.
    elsewhere = put_server(patient_repository(image.bare), "2", server="sha256:" + "0" * 64)
    tags = there.kept("models/small").tags
    tags[f"{elsewhere.digest.replace(':', '-')}.sig"] = tags[f"{image.digest.replace(':', '-')}.sig"]
    assert not is_signed(ImageName.parse(f"{image.bare}@{elsewhere.digest}"), keys.public)
    for public in ("no key", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(SigningError, match="is no key in PEM"):
            is_signed(image, public)
