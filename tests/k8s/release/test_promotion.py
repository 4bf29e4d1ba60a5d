"""Promotions on real repositories: what is copied, what must be known first, and what happens when two meet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from components.errors import GitError, ImageRegistryError, SigningError
from components.git.repository import Repository
from components.image.image_name import ImageName
from components.image.image_signature import is_signed, sign_image
from components.releases.environment_repository import EnvironmentRepository
from components.releases.release_file import Image, Release, release_file, release_text
from components.releases.rollback import Rollback, undo_release
from k8s.errors import EnvironmentFileError
from k8s.release.errors import PromotionError
from k8s.release.promotion import Promotion, Proposal, merge, propose, withdraw
from k8s.release.service_status import ServiceStatus
from k8s.rendering.environment_registry import EnvironmentRegistry
from k8s.rendering.server_settings import checked_release
from tests.components.image.server_images import patient_repository, put_server
from tests.registry import Registry, registry
from tests.repo.tree import ROOT
from tests.signing_keys import write_keys


def package(version: str) -> str:
    return f"sha256:{int(version):064d}"


def release(version: str, **settings: str) -> Release:
    image = Image(repository="registry.local/canario/churn", digest=f"sha256:{int(version) + 100:064d}")
    return Release(service="churn", version=version, package=package(version), settings=settings, image=image)


def standing(version: str, *, passed: bool = True, under_way: bool = False) -> ServiceStatus:
    return ServiceStatus(version, package(version), passed, under_way)


def overlay(**annotations: str) -> str:
    """The overlay of an environment's configs, as this tree has it, with these annotations."""
    changes = [
        {"op": "add", "path": f"/metadata/annotations/canario~1{name}", "value": value}
        for name, value in annotations.items()
    ]
    target = {"kind": "Namespace", "name": "models"}
    return yaml.safe_dump({"patches": [{"target": target, "patch": yaml.safe_dump(changes)}]})


class Place:
    """A bare repository and the promotion from staging to production in it; both admit one registry."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository.create(folder / "environment.git")
        self.promotion = Promotion(str(folder / "environment.git"), "churn", "staging", "production")
        for environment in ("staging", "production"):
            self.admit(environment, registry="registry.local/canario")
        self.believe("unchecked: nobody relies on a test\n")

    def believe(self, text: str) -> None:
        """Says who signs for production."""
        self.repository.write("k8s/envs/production/signers.yaml", text, "Who signs for production")

    def admit(self, environment: str, **annotations: str) -> None:
        file = f"k8s/envs/{environment}/configs/kustomization.yaml"
        self.repository.write(file, overlay(**annotations), f"What {environment} admits")

    def release(self, environment: str, wanted: Release) -> str:
        file = release_file(environment, "churn")
        return self.repository.write(file, release_text(wanted), f"Deploy {wanted.version} to {environment}").id

    def runs(self, environment: str = "production") -> Release:
        file = release_file(environment, "churn")
        return checked_release(self.repository.read(file) or "", file, "churn")

    def propose(self, version: str) -> Proposal:
        proposal = propose(self.promotion, standing(version))
        assert proposal is not None
        return proposal

    def undo(self, environment: str, version: str, *, undecided: bool = False) -> bool:
        where = EnvironmentRepository(self.promotion.url, path=f"k8s/envs/{environment}")
        reason = "undecided: no decision" if undecided else "fail: errors"
        return undo_release(where, Rollback("churn", version, package(version), undecided), reason) is not None

    def forget(self, proposal: Proposal) -> None:
        self.repository.path.joinpath("refs/heads", proposal.branch).unlink()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.release("staging", release("2", CANARIO_WORKERS="2"))
    place.release("production", release("1", CANARIO_LOG_FILES="9"))
    return place


def test_a_proposal_copies_only_the_release_and_is_one_commit(place: Place) -> None:
    """A proposal copies the release without the differences, and merges to one commit."""
    before = place.repository.head()
    proposal = place.propose("2")
    assert proposal.branch == "promote/production/churn-2"
    assert proposal.commit.subject == "churn: promote version 2 from staging to production"
    assert f"Package: {package('2')}" in proposal.commit.message
    assert place.repository.head() == before, "a proposal changes nothing that runs"
    merged = merge(place.promotion, proposal.branch, standing("1"))
    assert place.repository.head() == merged.id
    assert place.repository.changed(merged.id) == ["k8s/envs/production/churn.yaml"]
    assert place.runs() == release("2", CANARIO_LOG_FILES="9")
    assert propose(place.promotion, standing("2")) is None, "it is there already"


def test_a_merged_proposals_branch_goes_unless_it_was_changed(place: Place) -> None:
    """The branch of a merged proposal is removed unless somebody changed it."""
    proposal = place.propose("2")
    there = Repository(place.repository.path, proposal.branch)
    there.write("README", "not yet\n", "Look at this first")
    assert "stale" in withdraw(place.promotion, proposal)
    assert withdraw(place.promotion, Proposal(proposal.branch, there.show(there.head()))) == ""
    with pytest.raises(GitError, match=f"there is no branch {proposal.branch}"):
        there.head()
    nowhere = Promotion(f"{place.promotion.url}-gone", "churn", "staging", "production")
    assert "git push failed" in withdraw(nowhere, proposal)


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (standing("2", under_way=True), "version 2 in staging: a canary is under way"),
        (standing("1"), "version 1 .* answers there, and not 2"),
        (
            ServiceStatus("2", package("9"), passed=True, under_way=False),
            r"version 2 \(sha256:0+\) answers there, and not 2",
        ),
        (standing("2", passed=False), "no canary of it passed"),
    ],
)
def test_what_has_not_proven_itself_is_not_proposed(place: Place, known: ServiceStatus, sentence: str) -> None:
    with pytest.raises(PromotionError, match=sentence):
        propose(place.promotion, known)
    with pytest.raises(GitError):
        Repository(place.repository.path, "promote/production/churn-2").head()


def test_a_first_version_goes_only_where_nothing_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.release("staging", release("1"))
    proposal = propose(place.promotion, standing("1", passed=False))
    assert proposal is not None
    assert "it is the first version there" in proposal.commit.message
    merge(place.promotion, proposal.branch, None)
    assert place.runs() == release("1")
    assert propose(place.promotion, standing("1", passed=False)) is None, "it is there already"


def test_nothing_is_promoted_from_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(PromotionError, match=r"staging/churn.yaml is not there"):
        propose(Place(tmp_path).promotion, standing("1"))


def test_proposing_again_changes_nothing_unless_it_differs(place: Place) -> None:
    """The same proposal can be made again, but a different one of the same version is refused."""
    first = place.propose("2")
    place.repository.write("README", "here\n", "Something else")
    assert place.propose("2") == first
    place.release("production", release("1", CANARIO_LOG_FILES="5"))
    with pytest.raises(PromotionError, match="promote/production/churn-2 is there already and differs"):
        place.propose("2")


def test_of_two_merges_at_once_the_second_is_refused(place: Place) -> None:
    first = place.propose("2")
    place.release("staging", release("3"))
    second = place.propose("3")
    merge(place.promotion, first.branch, standing("1"))
    with pytest.raises(PromotionError, match=r"production/churn\.yaml was changed since by"):
        merge(place.promotion, second.branch, standing("2"))
    assert place.runs().version == "2"


def test_a_commit_to_another_file_is_no_conflict(place: Place) -> None:
    proposal = place.propose("2")
    place.repository.write("k8s/envs/production/fraud.yaml", "other\n", "Deploy fraud")
    merge(place.promotion, proposal.branch, standing("1"))
    assert place.runs().version == "2"
    assert place.repository.read("k8s/envs/production/fraud.yaml") == "other\n"


def test_a_merge_whose_push_came_too_late_is_made_again(place: Place) -> None:
    proposal = place.propose("2")
    marker = place.repository.path / "pushed"
    hook = place.repository.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n[ -e {marker} ] && exit 0\ntouch {marker}\nexit 1\n")
    hook.chmod(0o755)
    merge(place.promotion, proposal.branch, standing("1"))
    assert marker.exists()
    assert place.runs().version == "2"


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        (standing("1", under_way=True), "a canary of version 1 is under way in production"),
        (standing("9"), "a canary of version 1 is under way in production"),
        (None, "how production stands is not known"),
    ],
)
def test_nothing_is_merged_during_a_canary(place: Place, known: ServiceStatus | None, sentence: str) -> None:
    proposal = place.propose("2")
    with pytest.raises(PromotionError, match=sentence):
        merge(place.promotion, proposal.branch, known)
    assert place.runs().version == "1"


def test_a_revert_of_a_revert_is_undone_and_ends_proposals(place: Place) -> None:
    """A revert of a revert is undone again, and the version is not proposed any more."""
    merge(place.promotion, place.propose("2").branch, standing("1"))
    good = place.repository.tree(f"{place.repository.head()}^")
    assert place.undo("production", "2")
    by_hand = place.repository.revert(place.repository.head(), "It was the network.")
    assert by_hand is not None
    assert by_hand.subject.startswith('Revert "Revert "')
    assert place.runs().version == "2"
    assert place.undo("production", "2"), "it failed again"
    assert not place.undo("production", "2")
    assert place.repository.tree(place.repository.head()) == good
    place.forget(Proposal("promote/production/churn-2", by_hand))
    with pytest.raises(PromotionError, match="version 2 was reverted in production by"):
        place.propose("2")


def test_an_undecided_package_is_proposed_again_until_it_fails(place: Place) -> None:
    """An undecided package may be proposed and merged again, time after time; once it has failed, never."""
    for _ in range(2):
        proposal = place.propose("2")
        merge(place.promotion, proposal.branch, standing("1"))
        assert place.runs().version == "2"
        assert place.undo("production", "2", undecided=True)
        assert place.runs().version == "1"
        place.forget(proposal)
    proposal = place.propose("2")
    merge(place.promotion, proposal.branch, standing("1"))
    assert place.undo("production", "2")
    place.forget(proposal)
    with pytest.raises(PromotionError, match="version 2 was reverted in production by"):
        place.propose("2")


def test_a_left_proposal_is_merged_again_after_undecided(place: Place) -> None:
    proposal = place.propose("2")
    merge(place.promotion, proposal.branch, standing("1"))
    assert place.undo("production", "2", undecided=True)
    assert place.propose("2") == proposal, "its branch is there still"
    merge(place.promotion, proposal.branch, standing("1"))
    assert place.runs().version == "2"


def test_a_left_proposal_is_not_merged_again_after_a_failure(place: Place) -> None:
    """The revert restores the text from which the proposal came, so the text alone would let a failed version back."""
    proposal = place.propose("2")
    merge(place.promotion, proposal.branch, standing("1"))
    assert place.undo("production", "2")
    with pytest.raises(PromotionError, match="version 2 was reverted in production by"):
        merge(place.promotion, proposal.branch, standing("1"))
    assert place.runs().version == "1"


def test_undecided_in_staging_does_not_allow_production(place: Place) -> None:
    """What was undecided is no pass, neither before its revert nor after it; asked for again, it must pass first."""
    place.release("production", release("2"))
    place.release("staging", release("3"))
    undecided = ServiceStatus("2", package("2"), passed=True, under_way=False)
    with pytest.raises(PromotionError, match=r"version 2 .* answers there, and not 3"):
        propose(place.promotion, undecided)
    assert place.undo("staging", "3", undecided=True)
    assert propose(place.promotion, undecided) is None, "staging asks for version 2, which is there already"
    place.release("staging", release("3"))
    with pytest.raises(PromotionError, match=r"version 2 .* answers there, and not 3"):
        propose(place.promotion, undecided)
    proposed = propose(place.promotion, standing("3"))
    assert proposed is not None, "the negative twin: once it has passed there, it goes on"


def test_a_forced_push_is_refused_by_the_repository(place: Place, tmp_path: Path) -> None:
    other = Repository.create(tmp_path / "other.git")
    other.write("k8s/envs/production/churn.yaml", release_text(release("9")), "Another history")
    head = place.repository.head()
    forced = other._run(("push", "--force", place.promotion.url, "main"), b"", {})
    assert forced.returncode != 0
    assert b"non-fast-forward" in forced.stderr
    assert place.repository.head() == head


class TwoRegistries(Place):
    """Staging and production each admit a registry of their own; staging released a signed image of its own."""

    def __init__(self, folder: Path, staging: Registry, production: Registry) -> None:
        super().__init__(folder)
        self.there, self.keys = production, write_keys(folder / "keys")
        self.names = {"staging": f"{staging.address}/canario", "production": f"{production.address}/canario"}
        self.signatures = f"{production.address}/signatures/images"
        self.admit("staging", registry=self.names["staging"])
        self.admit("production", registry=self.names["production"], signatures=self.signatures)
        repository = patient_repository(f"{self.names['staging']}/churn")
        self.image = Image(repository=repository.name, tag="1", digest=put_server(repository, "1").digest)
        self.release("staging", release("2").model_copy(update={"image": self.image}))

    def sign(self) -> None:
        sign_image(ImageName.parse(f"{self.image.repository}@{self.image.digest}"), self.keys.private)

    def proposals(self) -> list[Path]:
        return [path for path in self.repository.path.joinpath("refs/heads").rglob("*") if path.name == "churn-2"]


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoRegistries]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr("components.image.registry_session._PAUSES", ())
    with registry() as staging, registry(tags_move=False, moving=("signatures/images",)) as production:
        yield TwoRegistries(tmp_path, staging, production)


def test_the_image_goes_to_the_registry_that_the_target_admits(
    two: TwoRegistries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release names the target's registry with the same digest; the image and its signature are there."""
    two.sign()
    said: list[str] = []
    proposal = propose(two.promotion, standing("2"), said.append)
    assert proposal is not None
    merge(two.promotion, proposal.branch, None)
    image = two.runs().image
    assert image == two.image.model_copy(update={"repository": f"{two.names['production']}/churn"})
    assert two.there.kept("canario/churn").tags == {"1": image.digest}
    monkeypatch.setenv("COSIGN_REPOSITORY", two.signatures)
    assert is_signed(ImageName.parse(f"{image.repository}@{image.digest}"), two.keys.public)
    assert said == [
        f"{image.repository}@{image.digest} is the image of staging with its signatures; "
        "sent: 3 blobs, 1 signatures and attestations"
    ]
    two.there.asked.clear()
    assert propose(two.promotion, standing("2"), said.append) is None
    assert two.there.asked == []


def test_the_target_gets_a_signature_of_its_own(two: TwoRegistries, monkeypatch: pytest.MonkeyPatch) -> None:
    """Staging's comes along and does not count there; a repetition signs no second time."""
    two.sign()
    own = write_keys(two.repository.path.parent / "own")
    two.believe(yaml.safe_dump({"signers": [{"name": "own", "key": own.public}]}))
    said: list[str] = []
    signing = replace(two.promotion, key=str(own.private))
    assert propose(signing, standing("2"), said.append) is not None
    image = f"{two.names['production']}/churn@{two.image.digest}"
    assert said[-1] == f"{image} is signed for production"
    monkeypatch.setenv("COSIGN_REPOSITORY", two.signatures)
    for keys in (own, two.keys):
        assert is_signed(ImageName.parse(image), keys.public)
    two.there.asked.clear()
    assert propose(signing, standing("2")) is not None
    assert two.there.counted("^(PUT|POST)") == 0


@pytest.mark.parametrize(
    ("document", "with_key", "sentence"),
    [
        ("{signers: [{name: own, key: KEY}]}", False, "production's signer own is a key that is in no KMS; give KEY="),
        ("{signers: [{name: own, key: KEY}]}", True, r"is the key of none of production's signers \(own\)"),
        ("{signers: []}", False, "name signers, or say under `unchecked`"),
    ],
)
def test_what_cannot_be_signed_for_the_target_is_not_proposed(
    two: TwoRegistries, document: str, sentence: str, *, with_key: bool
) -> None:
    two.sign()
    own = write_keys(two.repository.path.parent / "own")
    two.believe(document.replace("KEY", json.dumps(own.public)))
    promotion = replace(two.promotion, key=str(two.keys.private) if with_key else "")
    with pytest.raises(SigningError, match=sentence):
        propose(promotion, standing("2"))
    assert two.proposals() == []
    assert two.there.counted("^(PUT|POST)") == 0


@pytest.mark.parametrize(
    ("spoil", "error", "sentence"),
    [
        (lambda two: None, ImageRegistryError, "has no signature in"),
        (
            lambda two: two.release("staging", release("2").model_copy(update={"image": two.image.model_copy(
                update={"digest": "sha256:" + "0" * 64})})),
            ImageRegistryError, "is not there, so it cannot be copied",
        ),
        (
            lambda two: two.release("staging", release("2").model_copy(update={"image": two.image.model_copy(
                update={"digest": ""})})),
            PromotionError, "churn:1 has no digest, so .* cannot get the same one",
        ),
        (
            lambda two: two.release("staging", release("2")), PromotionError,
            "image registry.local/canario/churn is not from .*, the registry that staging admits",
        ),
        (lambda two: two.there.fail("HEAD", "hang up", 9), ImageRegistryError, "does not answer"),
        (
            lambda two: two.admit("production", registry="registry.local/canario", signatures="none"),
            EnvironmentFileError, "production: the annotation canario/signatures: 'none' is no image in a registry",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_copied_is_refused_before_any_writing(
    two: TwoRegistries, spoil: Callable[[TwoRegistries], object], error: type[Exception], sentence: str
) -> None:
    if error is not ImageRegistryError or sentence == "does not answer":
        two.sign()
    spoil(two)
    with pytest.raises(error, match=sentence):
        propose(two.promotion, standing("2"))
    assert two.proposals() == []
    assert two.there.counted("^(PUT|POST)") == 0


def test_a_broken_off_copy_is_ended_by_the_next_promotion(two: TwoRegistries) -> None:
    two.sign()
    two.there.break_off(after=8)
    with pytest.raises(ImageRegistryError, match="does not answer"):
        propose(two.promotion, standing("2"))
    assert two.proposals() == []
    two.there.go_on()
    assert propose(two.promotion, standing("2")) is not None
    assert two.there.kept("canario/churn").tags == {"1": two.image.digest}


def test_an_environment_that_names_no_registry_gets_no_image(place: Place) -> None:
    place.admit("production", registry="")
    with pytest.raises(EnvironmentFileError, match="no patch sets the annotation canario/registry"):
        place.propose("2")


@pytest.mark.parametrize("environment", ["local", "staging", "production"])
def test_the_registry_of_each_environment_is_known(environment: str) -> None:
    found = EnvironmentRegistry.read(environment, lambda file: (ROOT / file).read_text(encoding="utf-8"))
    assert found == EnvironmentRegistry(environment, "registry.local/canario")
    with pytest.raises(EnvironmentFileError, match=r"is not there, so the registry that .* admits is not known"):
        EnvironmentRegistry.read(environment, lambda _file: None)
