"""Git repositories of tests are the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.git_repository import commit_all, git


def test_the_users_own_settings_play_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = "[user]\n name = Me\n[commit]\n gpgSign = true\n[init]\n defaultBranch = odd\n"
    (tmp_path / ".gitconfig").write_text(settings)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Me")
    (folder := tmp_path / "repository").mkdir()
    (folder / "file").touch()
    git(folder, "init", "--quiet")
    assert commit_all(folder) == git(folder, "rev-parse", "main")
    assert git(folder, "log", "--format=%an <%ae> %cn") == "Ann <ann@example.org> Ann"
