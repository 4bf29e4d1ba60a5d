"""Runs a shell script in a container of a pod, with files of this machine as its input and output."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from k8s.cluster.program import explained, tool
from k8s.errors import ClusterError

_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class Container:
    """A container of a pod."""

    namespace: str
    pod: str
    name: str

    def script(self, text: str, *, first_line: str = "", given: Path | None = None, to: Path | None = None) -> str:
        """Runs a script of bash; returns what it wrote, unless that goes to a file.

        Args:
            text: the script; it must hold no secret, because the API server's audit log keeps commands.
            first_line: the first line of its input, such as a password.
            given: a file that follows that line.
            to: where its output goes; the folder exists.

        Raises:
            ToolError: kubectl is not on the PATH.
            ClusterError: the script failed, by its last words.
        """
        place = ["--namespace", self.namespace, "exec", "--stdin", self.pod, "--container", self.name]
        command = [tool("kubectl"), *place, "--", "bash", "-euo", "pipefail", "-c", text]
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as written:
            out = to.open("wb") if to else written
            try:
                status = _run(command, first_line, given, out, errors)
            finally:
                if to:
                    out.close()
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip()
            if status:
                raise ClusterError(f"{self.namespace}/{self.pod}: {explained(words) or f'ended with {status}'}")
            written.seek(0)
            return written.read().decode(errors="replace")


def _run(command: list[str], first_line: str, given: Path | None, out: IO[bytes], errors: IO[bytes]) -> int:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=errors) as process:
        # One that ended before it read all says why by its status and its words.
        with contextlib.suppress(BrokenPipeError):
            _write(process.stdin, first_line, given)
        try:
            return process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


def _write(pipe: IO[bytes] | None, first_line: str, given: Path | None) -> None:
    if pipe is None:
        return
    with pipe:
        if first_line:
            pipe.write(f"{first_line}\n".encode())
        if given:
            with given.open("rb") as file:
                shutil.copyfileobj(file, pipe)
