"""An environment file is a release or a clear reason why not."""

from __future__ import annotations

import pytest

from components.errors import ReleaseError
from components.releases.release_file import Image, Release, release_file, release_text
from k8s.rendering.server_settings import ALLOWED_SETTINGS, checked_release

DIGEST = "sha256:" + "a1" * 32
GOOD = f"service: churn\nversion: '3'\npackage: {DIGEST}\nsettings: {{CANARIO_FAULT_ERROR_RATIO: '0.05'}}\n"


def test_a_release_is_read_as_it_was_written() -> None:
    release = checked_release(GOOD, "file", "churn")
    assert release == Release(
        service="churn", version="3", package=DIGEST, settings={"CANARIO_FAULT_ERROR_RATIO": "0.05"}
    )
    assert checked_release(release_text(release), "file", "churn") == release


def test_what_the_pipelines_last_step_commits_is_a_release() -> None:
    made = Release(service="churn", version="3", package=DIGEST, settings={"CANARIO_FAULT_SLOW_RATIO": "0.05"})
    release = checked_release(release_text(made), release_file("demo", "churn"), "churn")
    assert (release.version, release.package, release.settings) == ("3", DIGEST, made.settings)
    assert release_file("demo", "churn") == "k8s/envs/demo/churn.yaml"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("version: '3'", "version: 3"), "file: version: Input should be a valid string (given: 3)"),
        (("version: '3'\n", ""), "file: version: Field required"),
        (("sha256:", "md5:"), "file: package: String should match pattern"),
        (("settings", "setings"), "file: setings: unknown key; allowed: service, version, package, settings"),
        (("service: churn", "service: fraud"), "'fraud' is another service; this one is 'churn'"),
        (("FAULT_ERROR_RATIO", "FAULT_EROR_RATIO"), "did you mean CANARIO_FAULT_ERROR_RATIO?"),
        (("CANARIO_FAULT_ERROR_RATIO", "PATH"), "PATH is no setting of the server; allowed: CANARIO_"),
        (("CANARIO_FAULT_ERROR_RATIO", "CANARIO_VERSION"), "CANARIO_VERSION is set from the release itself"),
        (("CANARIO_FAULT_ERROR_RATIO", "CANARIO_LABEL_SLOT_SECONDS"), "CANARIO_LABEL_SLOT_SECONDS is set from"),
        (("CANARIO_FAULT_ERROR_RATIO", "CANARIO_SHADOW_URL"), "CANARIO_SHADOW_URL is set from the release itself"),
        (
            ("settings:", "image: {repository: r, tags: x}\nsettings:"),
            "image.tags: unknown key; allowed: repository, tag, digest",
        ),
        (("service: churn", "service: [churn"), "not YAML"),
        (("version: '3'", "version: '3'\nversion: '4'"), "stands twice"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ReleaseError) as error:
        checked_release(GOOD.replace(*change), "file", "churn")
    assert message in str(error.value)


@pytest.mark.parametrize("text", ["", "- a list", "word"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError, match="a release is a mapping"):
        checked_release(text, "file", "churn")


def test_every_difference_changes_the_checksum() -> None:
    release = checked_release(GOOD, "file", "churn")
    others: list[dict[str, object]] = [
        {"version": "4"},
        {"package": "sha256:" + "b2" * 32},
        {"settings": {}},
        {"service": "fraud"},
    ]
    checksums = {release.checksum, *(release.model_copy(update=other).checksum for other in others)}
    assert len(checksums) == 5
    assert release.model_copy().checksum == release.checksum


def test_faults_can_be_set_and_identity_cannot() -> None:
    assert "CANARIO_FAULT_STALE_RATIO" in ALLOWED_SETTINGS
    assert "CANARIO_PACKAGE" not in ALLOWED_SETTINGS


def test_a_release_with_an_image_serves_the_twin_and_a_cluster() -> None:
    release = checked_release(GOOD + "image: {repository: registry.local/churn, tag: '3'}\n", "file", "churn")
    assert release.image == Image(repository="registry.local/churn", tag="3")
    assert checked_release(release_text(release), "file", "churn") == release
