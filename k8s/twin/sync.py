"""Notices commits in the environment repository and passes their releases to the rollout."""

from __future__ import annotations

from collections.abc import Callable

from components.errors import ReleaseError
from components.git.repository import Repository
from components.releases.release_file import Release
from k8s.rendering.server_settings import checked_release
from k8s.twin.events import Events
from k8s.twin.rollout import DesiredRelease


class Sync:
    """Follows one file of one branch."""

    def __init__(
        self,
        repository: Repository,
        file: str,
        service: str,
        events: Events,
        want: Callable[[DesiredRelease], None],
        champion: Callable[[], Release | None],
    ) -> None:
        """`want` receives each new release; `champion` returns the one that answers now."""
        self._repository, self._file, self._service = repository, file, service
        self._events, self._want, self._champion = events, want, champion
        self._head = ""
        self._text: str | None = None
        self._rewritten = ""

    def poll(self) -> bool:
        """Looks at the branch once; returns whether it asks for a new release.

        An unusable file is refused with a reason, and the running version goes on.

        Raises:
            GitError: the repository cannot be read.
        """
        head = self._repository.head()
        if head in (self._head, self._rewritten) or not self._goes_on(head):
            return False
        text = self._repository.read(self._file, head)
        changed = text != self._text
        self._head, self._text = head, text
        return changed and self._take(text)

    def _goes_on(self, head: str) -> bool:
        """Whether the history only grew; a branch after a forced push is not followed."""
        if not self._head or self._repository.common_ancestor(self._head, head) == self._head:
            return True
        self._rewritten = head
        reason = (
            f"the branch was forced to {head[:10]}, which does not contain {self._head[:10]}; what runs goes on "
            f"until the branch contains it again: push {self._head[:10]} back, and undo a release by `git revert`"
        )
        self._events.emit("refused", reason=reason, evidence={"commit": head, "lost": self._head})
        return False

    def _take(self, text: str | None) -> bool:
        try:
            if text is None:
                raise ReleaseError(f"{self._file}: was removed; the version that runs goes on")
            release = checked_release(text, self._file, self._service)
            self._check_version(release)
        except ReleaseError as error:
            self._events.emit("refused", reason=str(error))
            return False
        commit = self._repository.last_change(self._file) or self._head
        subject = self._repository.show(commit).subject
        self._events.emit("commit", version=release.version, reason=subject, evidence={"commit": commit})
        self._want(DesiredRelease(release, commit))
        return True

    def _check_version(self, release: Release) -> None:
        """Refuses a version that two releases share, since their evidence would be added up."""
        champion = self._champion()
        if champion is not None and champion != release and champion.version == release.version:
            raise ReleaseError(
                f"{self._file}: version {release.version} already runs with another package or other settings; "
                "give the release a version of its own"
            )
