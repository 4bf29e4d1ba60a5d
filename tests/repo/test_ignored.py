"""Keys and tokens never lie in the tree: documents keep them outside, and Git ignores them all the same."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

from tests.repo.tree import ROOT, texts

#: Where a command puts a private key, takes one, a token or passwords from.
_SECRET = re.compile(r"openssl .*-out (\S+)|--from-file=\w+=(\S+)|--from-env-file=(\S+)|(?<!PUBLIC_)\bKEY=(\S+)")
#: A folder outside of the tree, or in a list of variables the word for any file.
_OUTSIDE = re.compile(r"(\$SECRETS/|~/|/)[\w./-]+|file|")


def secrets(text: str) -> set[str]:
    """Files with a secret in them that a document's commands write or read."""
    return {name for names in _SECRET.findall(text) for name in names if name}


def ignored(names: Iterable[str]) -> set[str]:
    """Which of some names Git would not add."""
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(names), capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return set(done.stdout.splitlines())


def outside(name: str) -> bool:
    """Whether a document's file is outside of the tree."""
    return bool(_OUTSIDE.fullmatch(name.strip('`"];,.:)')))


def test_no_command_keeps_a_secret_in_the_tree() -> None:
    """The READMEs and the help of make name places outside of the tree for keys, tokens and passwords."""
    documents = [*texts(".md"), *((name, (ROOT / name).read_text()) for name in ("Makefile", ".ci/workflows.mk"))]
    found = {(str(path), name) for path, text in documents for name in secrets(text)}
    assert {"README.md", "terraform/README.md", "Makefile"} <= {path for path, _ in found}
    assert [(path, name) for path, name in sorted(found) if not outside(name)] == []


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
    more = "`make sign KEY=key.pem` --from-env-file=s3.env [KEY=file] KEY=$SECRETS/key.pem PUBLIC_KEY=f"
    assert {name for name in secrets(text + more) if not outside(name)} == {"my.pem", "secret", "key.pem`", "s3.env"}
    assert secrets("terraform plan -out saved") == set()
