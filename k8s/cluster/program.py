"""Runs a program such as helm or kubectl, and says in a sentence what went wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from k8s.errors import ClusterError, ToolError

_INSTALL: Final = {
    "helm": "; https://helm.sh/docs/intro/install says how to install it",
    "kubectl": "; https://kubernetes.io/docs/tasks/tools says how to install it",
}
_UNREACHED: Final = (
    "connection refused",
    "unable to connect",
    "was refused",
    "unreachable",
    "no such host",
    "i/o timeout",
)
#: Helm's own words, where a chart's repository does not answer: they quote the network's words, too.
_REPOSITORY: Final = ("is not a valid chart repository or cannot be reached", "failed to download")
#: The API server's own words, such as where Kyverno is away: they quote an address that refused, too.
_WEBHOOK: Final = "failed calling webhook"
#: An answer takes a second, where nothing is waited for.
SECONDS: Final = 120.0


def tool(name: str) -> str:
    """The path of a program.

    Raises:
        ToolError: it is not on the PATH.
    """
    found = shutil.which(name)
    if found is None:
        raise ToolError(f"{name} is not on the PATH{_INSTALL.get(name, '')}")
    return found


def run(command: Sequence[str], seconds: float = SECONDS) -> str:
    """The output of a program; `seconds` is more than it may itself wait.

    Raises:
        ToolError: it is not on the PATH.
        ClusterError: it failed, by its last words, or did not end.
    """
    words = [tool(command[0]), *command[1:]]
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{command[0]} had no answer within {seconds:g} s; is KUBECONFIG the right one?") from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise ClusterError(explained(said.decode(errors="replace")))
    return done.stdout.decode(errors="replace")


def explained(words: str) -> str:
    """A program's own words: a rule of the chart alone, or with what it means where something is not reached."""
    rule = re.search(r"execution error at \([^)]*\): (.*)", words)
    if rule:
        return rule[1]
    if _WEBHOOK in words:
        return f"who checks what comes in does not answer, so nothing new comes in, and what runs goes on\n{words}"
    if any(sign in words for sign in _REPOSITORY):
        return f"a chart's repository is not reached from here; what was there stays as it is\n{words}"
    if any(sign in words.lower() for sign in _UNREACHED):
        return f"the cluster is not reached; does KUBECONFIG name one that runs?\n{words}"
    return words
