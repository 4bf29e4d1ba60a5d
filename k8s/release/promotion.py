"""Proposes for one environment a release that has proven itself in another, and merges such proposals.

A proposal is a branch with one commit, so that a person or a pull request decides. It copies version,
package and image; the settings are the environment's own. Where the target admits another registry, the image is
copied there first, by its digest and with its signatures; and it is signed for the target. If Flux follows the target
environment, the same commit has the objects that Flux applies. Nothing is ever pushed by force.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from components.errors import GitError
from components.git.repository import Commit, Repository
from components.releases.environment_repository import ATTEMPTS, EnvironmentRepository, PushRefusedError
from components.releases.release_file import Release, environment_folder, release_file
from components.releases.rollback import Rollback, rollback_of
from k8s.release.approval import Approval
from k8s.release.errors import PromotionError
from k8s.release.image_copy import ImageMove
from k8s.release.service_status import ServiceStatus
from k8s.rendering.environment_registry import EnvironmentRegistry
from k8s.rendering.render import repository_changes
from k8s.rendering.server_settings import checked_release


@dataclass(frozen=True)
class Promotion:
    """A step from one environment to another in the repository at `url`; the environments follow `branch`."""

    url: str
    service: str
    source: str
    target: str
    branch: str = "main"
    #: What signs for the target, if not its first signer's own key: a file, or an address in a KMS.
    key: str = ""

    @property
    def file(self) -> str:
        """The file that a promotion changes."""
        return release_file(self.target, self.service)

    @property
    def repository(self) -> EnvironmentRepository:
        """The branch that the environments follow."""
        return EnvironmentRepository(self.url, self.branch, environment_folder(self.target))


@dataclass(frozen=True)
class Proposal:
    """A proposal: a branch of the repository, and its commit."""

    branch: str
    commit: Commit


def propose(
    promotion: Promotion, standing: ServiceStatus, say: Callable[[str], None] = lambda _line: None
) -> Proposal | None:
    """Pushes a branch on which the target has the source's release; None if the target already has it.

    Nothing is written, in Git or in a registry, before all of it was looked at.

    Raises:
        PromotionError: the release has not proven itself, or has failed in the target before.
        GitError: the repository cannot be read or written.
        ComponentError: an environment's file or a spec is wrong, or the image cannot be copied.
        DeployError: the release cannot run in the target.
    """
    with promotion.repository.fetched() as main:
        source = _needed(main, promotion)
        target = _release(main, promotion.target, promotion.service)
        _check_answers(source, standing, promotion)
        move = _move(main, promotion, source)
        wanted = _copied(source, target, move)
        if wanted == target:
            return None
        if target is not None:
            _check_passed(source, standing, promotion)
        _check_history(main, promotion, wanted)
        changes = repository_changes(main, promotion.target, wanted)
        approval = Approval.of(main, move.wanted, move.target, promotion.key) if move else None
        if move and move.is_needed:
            say(move.copy(move.read()))
        if approval:
            say(approval.sign())
        name = f"promote/{promotion.target}/{promotion.service}-{wanted.version}"
        branch = main.branched(name)
        commit = branch.write_all(changes, _message(promotion, wanted, standing))
        return Proposal(name, _pushed(branch, commit, promotion, name))


def merge(promotion: Promotion, proposal: str, standing: ServiceStatus | None) -> Commit:
    """Merges a proposal's release into the branch that the environments follow.

    Args:
        proposal: the branch that `propose` made.
        standing: the target's status; None only if nothing was ever released there.

    Raises:
        PromotionError: the target's file has changed since, a canary is under way there, or the release has failed.
        GitError: the repository cannot be read or written.
        DeployError: the release cannot run in the target any more.
    """

    def make(main: Repository) -> Commit:
        branch = Repository(main.path, proposal)
        branch.fetch(promotion.url)
        _check_mergeable(main, branch, promotion, standing)
        wanted = checked_release(branch.read(promotion.file) or "", promotion.file, promotion.service)
        _check_history(main, promotion, wanted)
        return main.write_all(repository_changes(main, promotion.target, wanted), branch.show(branch.head()).message)

    try:
        return promotion.repository.commit(make)
    except PushRefusedError as error:
        raise PromotionError(
            f"{promotion.url}: others pushed {ATTEMPTS} times while we tried to merge; try again"
        ) from error


def withdraw(promotion: Promotion, proposal: Proposal) -> str:
    """Deletes a proposal's branch unless somebody changed it; returns "" or the reason why the branch stays."""
    with tempfile.TemporaryDirectory(prefix="canario-promote-") as folder:
        branch = Repository.create(Path(folder) / "environment.git", proposal.branch)
        try:
            return branch.delete(promotion.url, proposal.commit.id)
        except GitError as error:
            return str(error)


def _release(main: Repository, environment: str, service: str) -> Release | None:
    file = release_file(environment, service)
    text = main.read(file)
    return None if text is None else checked_release(text, file, service)


def _needed(main: Repository, promotion: Promotion) -> Release:
    release = _release(main, promotion.source, promotion.service)
    if release is None:
        file = release_file(promotion.source, promotion.service)
        raise PromotionError(
            f"{file} is not there, so there is nothing to promote; release to {promotion.source} first"
        )
    return release


def _check_answers(release: Release, standing: ServiceStatus, promotion: Promotion) -> None:
    """Checks that the released version is the one that answers."""
    place = f"version {release.version} in {promotion.source}"
    if standing.under_way:
        raise PromotionError(f"{place}: a canary is under way; promote when it has passed")
    if (standing.version, standing.package) != (release.version, release.package):
        is_, asked = f"{standing.version} ({standing.package[:19]})", f"{release.version} ({release.package[:19]})"
        raise PromotionError(f"{place}: version {is_} answers there, and not {asked}; promote what has passed")


def _check_passed(release: Release, standing: ServiceStatus, promotion: Promotion) -> None:
    """Checks that its canary passed; only a target's first version needs none."""
    if not standing.passed:
        raise PromotionError(
            f"version {release.version} in {promotion.source}: no canary of it passed (a first version is compared "
            "with nobody); release the next one there"
        )


def _check_history(main: Repository, promotion: Promotion, wanted: Release) -> None:
    """Checks that this version has not failed in the target before; a failed version never comes back.

    One that was undecided there may be tried again: its rollback is another.
    """
    failed = Rollback(wanted.service, wanted.version, wanted.package)
    for commit in main.log():
        if rollback_of(commit.message) == failed and promotion.file in main.changed(commit.id):
            raise PromotionError(
                f"version {wanted.version} was reverted in {promotion.target} by {commit.id[:10]} ({commit.subject}); "
                "train a new version"
            )


def _check_mergeable(
    main: Repository, branch: Repository, promotion: Promotion, standing: ServiceStatus | None
) -> None:
    began = main.common_ancestor(main.head(), branch.head())
    if began is None:
        raise PromotionError(f"{promotion.url}: the proposal shares no commit with {promotion.branch}; promote again")
    now = main.read(promotion.file)
    if now != main.read(promotion.file, began):
        changed = (main.last_change(promotion.file) or "")[:10]
        raise PromotionError(f"{promotion.file} was changed since by {changed}; look at it, and promote again")
    if now is None:
        return
    there = checked_release(now, promotion.file, promotion.service)
    if standing is None:
        raise PromotionError(
            f"how {promotion.target} stands is not known, so a canary may be under way; nothing is merged"
        )
    if standing.under_way or (standing.version, standing.package) != (there.version, there.package):
        raise PromotionError(
            f"a canary of version {there.version} is under way in {promotion.target}; merge when it ended"
        )


def _pushed(branch: Repository, commit: Commit, promotion: Promotion, name: str) -> Commit:
    """The proposal's commit at the remote: this commit, or an earlier one with the same content."""
    mine = branch.read(promotion.file)
    refused = branch.push(promotion.url)
    if not refused:
        return commit
    branch.fetch(promotion.url)
    if branch.read(promotion.file) != mine:
        raise PromotionError(f"{name} is there already and differs: merge it, or delete it and promote again")
    return branch.show(branch.head())


def _move(main: Repository, promotion: Promotion, source: Release) -> ImageMove | None:
    """Where the release's image is and where the target wants it; None if the release has no image, as on a twin."""
    if source.image is None:
        return None
    both = [EnvironmentRegistry.read(name, main.read) for name in (promotion.source, promotion.target)]
    return ImageMove.between(source.image, *both)


def _copied(source: Release, target: Release | None, move: ImageMove | None) -> Release:
    """The source's release with the target's own settings, and its image as the target names it."""
    settings, image = dict(target.settings) if target else {}, move.wanted if move else None
    return Release(
        service=source.service, version=source.version, package=source.package, settings=settings, image=image
    )


def _message(promotion: Promotion, release: Release, standing: ServiceStatus) -> str:
    proven = "its canary passed" if standing.passed else "it is the first version there"
    return (
        f"{release.service}: promote version {release.version} from {promotion.source} to {promotion.target}\n\n"
        f"Package: {release.package}\nEvidence: in {promotion.source}, {proven}, and it answers now\n"
    )
