"""Refuses a private key in a work tree of Git: what lies there is one `git add` away from everybody who clones it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from components.errors import SigningError
from components.git.command import run_git, words
from components.signing.keys import is_in_kms

_FREE: Final = 0  # `git check-ignore` found the file ignored.
_IN_THE_TREE: Final = 1
_NO_TREE: Final = "not a git repository"


def check_key_place(key: str | Path) -> None:
    """Checks that no commit can take a key along: it is outside of every work tree, or Git ignores it.

    A file that Git holds already does not count as ignored; a key in a KMS is no file. `key` may be empty.

    Raises:
        SigningError: a commit can, or Git cannot tell.
    """
    if not str(key) or is_in_kms(key):
        return
    place = Path(key).resolve()  # A link in the tree would give away no more than its target's name.
    if not place.parent.is_dir():
        return  # Whoever reads the key says that it is not there.
    where = ("-C", str(place.parent), "-c", "safe.directory=*")
    answer = run_git(*where, "check-ignore", "--quiet", "--", place.name, settings={"LC_ALL": "C"})
    if answer.returncode == _FREE or _NO_TREE in words(answer):
        return
    if answer.returncode == _IN_THE_TREE:
        raise SigningError(
            f"KEY={key}: is in a work tree of Git, which does not ignore it, so a commit would give it away; keep keys "
            "outside, such as in ~/.config/canario"
        )
    raise SigningError(f"KEY={key}: Git cannot tell whether a commit would give it away: {words(answer)}")
