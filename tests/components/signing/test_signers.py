"""An environment's signers are one document; what is wrong in it, and a key it does not know, is said in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.errors import SigningError
from components.signing.signers import check_apart, key_of, package_keys, read_signers
from tests.repo.tree import ROOT
from tests.signing_keys import write_keys

WORKFLOW = {"issuer": "https://token.actions.githubusercontent.com", "subject": "https://github.com/a/b/.github/x@main"}
KMS = "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/versions/1"


def environment(folder: Path, name: str, **document: Any) -> Path:
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "signers.yaml").write_text(yaml.safe_dump(document))
    return place


def test_two_keys_are_believed_while_one_takes_the_others_place(tmp_path: Path) -> None:
    old, new = (write_keys(tmp_path / name) for name in ("old", "new"))
    signers = [{"name": "new", "key": new.public}, {"name": "old", "key": old.public}]
    place = environment(tmp_path, "staging", signers=signers)
    assert read_signers(place).keys == (new.public, old.public)
    for pair in (old, new):
        assert key_of(place, str(pair.private)) == str(pair.private)
    assert package_keys(place) == new.public + old.public


def test_a_key_that_is_not_believed_is_refused_before_it_signs(tmp_path: Path) -> None:
    place = environment(tmp_path, "staging", signers=[{"name": "ours", "key": write_keys(tmp_path / "a").public}])
    with pytest.raises(SigningError, match=r"is the key of none of staging's signers \(ours\)"):
        key_of(place, str(write_keys(tmp_path / "b").private))


def test_the_first_signer_signs(tmp_path: Path) -> None:
    public = write_keys(tmp_path / "a").public
    first: dict[str, dict[str, Any]] = {
        "kms": {"key": public, "kms": KMS},
        "workflow": {"workflow": WORKFLOW},
        "file": {"key": public},
    }
    places = {name: environment(tmp_path, name, signers=[{"name": name, **one}]) for name, one in first.items()}
    assert key_of(places["kms"], "") == KMS
    assert key_of(places["workflow"], "") is None
    with pytest.raises(SigningError, match="file's signer file is a key that is in no KMS; give KEY="):
        key_of(places["file"], "")


def test_where_nothing_is_checked_any_key_signs_and_none(tmp_path: Path) -> None:
    place = environment(tmp_path, "local", unchecked="a laptop")
    assert key_of(place, "any.pem") == "any.pem"
    assert key_of(place, "") is None
    assert package_keys(place) == ""


def test_production_believes_packages_that_passed_in_staging(tmp_path: Path) -> None:
    mine, theirs = (write_keys(tmp_path / name).public for name in ("a", "b"))
    environment(tmp_path, "staging", signers=[{"name": "s", "key": theirs}])
    place = environment(tmp_path, "production", signers=[{"name": "p", "key": mine}], packages_from="staging")
    assert package_keys(place) == mine + theirs
    assert read_signers(place).keys == (mine,)


def test_a_workflows_packages_are_left_to_the_look_at_the_image(tmp_path: Path) -> None:
    """The server would refuse them; the signature of the image covers the package in it."""
    environment(tmp_path, "staging", signers=[{"name": "train", "workflow": WORKFLOW}])
    mine = [{"name": "p", "key": write_keys(tmp_path / "a").public}]
    place = environment(tmp_path, "production", signers=mine, packages_from="staging")
    assert package_keys(place) == package_keys(tmp_path / "staging") == ""
    both = [*mine, {"name": "train", "workflow": WORKFLOW}]
    with pytest.raises(SigningError, match="name keys or workflows, and not both"):
        read_signers(environment(tmp_path, "mixed", signers=both))


def test_two_environments_with_the_same_signer_are_refused(tmp_path: Path) -> None:
    public = write_keys(tmp_path / "a").public
    for name in ("production", "staging"):
        environment(tmp_path, name, signers=[{"name": "same", "key": public}])
    with pytest.raises(SigningError, match="same is the same signer as same of production"):
        check_apart(tmp_path)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "name signers, or say under `unchecked` why"),
        ({"unchecked": "so", "signers": [{"name": "a", "workflow": WORKFLOW}]}, "name signers, or say"),
        ({"signers": [{"name": "a"}]}, "signers.0: Value error, give a key, or a workflow"),
        ({"signers": [{"name": "a", "key": "none"}]}, "signers.0.key: Value error, is no public key in PEM"),
        ({"signers": [{"name": "a", "workflow": WORKFLOW, "kms": KMS}]}, "kms is where the private half"),
        ({"signers": [{"name": "a", "workflow": WORKFLOW}] * 2}, "two have the same name"),
        ({"signers": [{"name": "a", "kms": "key.pem", "key": ""}]}, "'key.pem' is no address in a KMS"),
        ({"signer": []}, "signer: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_document_is_said(document: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(SigningError, match=said):
        read_signers(environment(tmp_path, "staging", **document))


def test_an_environment_without_the_document_is_no_open_door(tmp_path: Path) -> None:
    (tmp_path / "staging").mkdir()
    with pytest.raises(SigningError, match=r"signers\.yaml is not there; it names who signs"):
        package_keys(tmp_path / "staging")


def test_only_the_local_environment_checks_nothing() -> None:
    folder = ROOT / "k8s" / "envs"
    check_apart(folder)
    assert [one.name for one in sorted(folder.iterdir()) if read_signers(one).unchecked] == ["local"]
