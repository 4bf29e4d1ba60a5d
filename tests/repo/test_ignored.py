"""Git ignores keys and tokens, and nothing that the repository holds."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

from tests.repo.tree import ROOT, texts

#: Where a command in a document puts a private key, or takes a token from.
_SECRET = re.compile(r"openssl .*-out (\S+)|--from-file=password=(\S+)")


def secrets(text: str) -> set[str]:
    """Files with a secret in them that a document's commands write or read."""
    return {name for names in _SECRET.findall(text) for name in names if name}


def ignored(names: Iterable[str]) -> set[str]:
    """Which of some names Git would not add."""
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(names), capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return set(done.stdout.splitlines())


def test_a_secret_that_a_document_has_people_write_is_ignored() -> None:
    found = {name for _, text in texts(".md") for name in secrets(text)}
    assert {"key.pem", "token"} <= found
    assert ignored(found) == found


def test_keys_and_tokens_are_ignored() -> None:
    """Keys and tokens are ignored wherever they lie, and files with similar names are not."""
    kept = {"key.py", "tokens.md", "services/token.py", "keys/README.md", "pem"}
    assert ignored(kept | {"key.pem", "services/cosign.key", "k8s/token"}) == {
        "key.pem",
        "services/cosign.key",
        "k8s/token",
    }


def test_nothing_that_the_repository_holds_is_ignored() -> None:
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-from", ".gitignore"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == ""


def test_a_secret_in_a_document_is_seen() -> None:
    text = "    openssl ecparam -genkey -noout -out my.pem\n    kubectl create secret x --from-file=password=secret\n"
    assert secrets(text) == {"my.pem", "secret"}
    assert secrets("terraform plan -out saved --from-file=ca=x") == set()
