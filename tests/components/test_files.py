from __future__ import annotations

from pathlib import Path

import pytest

from components.files import write_atomically


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    """A file is replaced in one step, and no draft is left in the folder."""
    path = tmp_path / "below" / "file"
    write_atomically(path, "one")
    inode = path.stat().st_ino
    write_atomically(path, "zwei ü")
    assert (path.read_text(encoding="utf-8"), list(path.parent.iterdir())) == ("zwei ü", [path])
    assert path.stat().st_ino != inode
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    """A write that fails leaves the old file and no draft."""
    path = write_atomically(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "half\ud800")
    assert (path.read_text(encoding="utf-8"), list(tmp_path.iterdir())) == ("old", [path])
