"""No file names where packages are fetched from, or a folder of somebody's machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.repo.tree import texts

#: An option or setting that says where packages come from; the machine's own configuration does.
INDEX = re.compile(
    r"--(?:extra-)?index-url|--find-links|--registry\b|\bindex[-_]url\s*[=:]|\bregistry\s*=\s*\W?https?:"
)
# Not behind a word or a dot, as in https://example.org/home/page or ./work.
FOLDER = re.compile(r"(?<![\w.~-])/(?:home|Users|work|root|workspace|mnt|builds)/[\w.-]+")
HERE = {Path("tests/repo/test_texts.py"), Path("tests/repo/test_locks.py")}


def indexes(text: str) -> list[str]:
    """Where a text says that packages come from."""
    return INDEX.findall(text)


def folders(text: str) -> list[str]:
    """Folders of one machine that a text names."""
    return FOLDER.findall(text)


def test_no_file_says_where_packages_come_from() -> None:
    assert {str(path): found for path, text in texts() if path not in HERE and (found := indexes(text))} == {}


def test_no_file_names_a_folder_of_a_machine() -> None:
    assert {str(path): found for path, text in texts() if path not in HERE and (found := folders(text))} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("--index-url https://packages.example/simple", ["--index-url"]),
        ("uv pip install --extra-index-url=x", ["--extra-index-url"]),
        ("pip wheel --find-links dir", ["--find-links"]),
        ("index_url = 'x'", ["index_url ="]),
        ("registry=https://packages.example", ["registry=https:"]),
        ("an index of urls in a registry of models", []),
    ],
)
def test_an_index_is_seen(text: str, found: list[str]) -> None:
    assert indexes(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('open("/home/ann/table.csv")', ["/home/ann"]),
        ("cd /builds/main", ["/builds/main"]),
        ("file:///Users/bob", ["/Users/bob"]),
        ("path=/Users/bob/x", ["/Users/bob"]),
        ("https://example.org/home/page", []),
        ("./work/x and ~/work/y", []),
        ("/tmp/x and /usr/bin/env and /data/t.csv", []),
    ],
)
def test_a_folder_of_a_machine_is_seen(text: str, found: list[str]) -> None:
    assert folders(text) == found
