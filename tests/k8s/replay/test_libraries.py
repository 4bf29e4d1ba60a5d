from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.code import LOCK_FILE, ROOT
from k8s.replay.errors import ReplayError
from k8s.replay.libraries import differing, installed, interpreter_for, locked


def test_what_the_lock_names_is_what_is_installed_here(tmp_path: Path) -> None:
    assert differing(locked(ROOT / LOCK_FILE), installed()) == []
    python, says = interpreter_for((ROOT / LOCK_FILE).read_bytes(), tmp_path)
    assert python == Path(sys.executable)
    assert "all as they are installed here" in says


def test_every_library_that_differs_is_named() -> None:
    assert differing({"a": "1", "b": "1"}, {"a": "2", "c": "1", "pip": "9"}) == [
        "a 2, locked 1",
        "b none, locked 1",
        "c 1, locked none",
    ]


def test_what_is_locked_for_other_machines_is_not_wanted(tmp_path: Path) -> None:
    lock = tmp_path / "r.txt"
    lock.write_text(f"a==1 --hash=sha256:{'0' * 64}\nb==1 ; sys_platform == 'none' --hash=sha256:{'0' * 64}\n")
    assert locked(lock) == {"a": "1"}


def test_another_lock_is_installed_from_the_cache_alone(tmp_path: Path) -> None:
    stanza = re.search(r"^six==.*?(?=^\S)", (ROOT / LOCK_FILE).read_text(), re.MULTILINE | re.DOTALL)
    assert stanza
    try:
        python, says = interpreter_for(stanza[0].encode(), tmp_path)
    except ReplayError as error:
        pytest.skip(f"uv's cache was emptied since the set-up: {error}")
    assert says == "1 libraries, installed anew from uv's cache"
    program = "import six; print(six.__version__)"
    shown = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True)
    assert f"six=={shown.stdout.strip()}" in stanza[0]


def test_missing_libraries_are_refused_with_the_next_step(tmp_path: Path) -> None:
    """Libraries that cannot be found are refused, and the message names the next step."""
    with pytest.raises(ReplayError, match=r"(?s)no-such-library.*`make setup` once with a network"):
        interpreter_for(f"no-such-library==1 --hash=sha256:{'0' * 64}\n".encode(), tmp_path)
