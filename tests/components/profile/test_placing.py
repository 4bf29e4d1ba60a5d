from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import DataError, SpecError
from components.profile import placing
from components.profile.placing import PLATFORM_IMAGES, place, placed_uri, refuse_taken


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "t.csv"
    path.parent.mkdir()
    path.write_text("a,y\n1,2\n")
    return path


def test_a_spec_and_its_table_are_placed_together(tmp_path: Path, table: Path) -> None:
    place(tmp_path / "services" / "loans", "name: loans\n", table)
    assert listing(tmp_path / "services") == ["loans", "loans/service.yaml", "loans/t.csv"]
    assert (tmp_path / "services" / "loans" / "t.csv").read_bytes() == table.read_bytes()


def test_an_existing_folder_is_added_to(tmp_path: Path, table: Path) -> None:
    home = tmp_path / "services" / "loans"
    home.mkdir(parents=True)
    (home / "notes.md").write_text("mine")
    place(home, "name: loans\n", table)
    assert listing(home) == ["notes.md", "service.yaml", "t.csv"]


@pytest.mark.parametrize("taken", ["service.yaml", "t.csv"])
def test_nothing_is_ever_overwritten_and_nothing_half_is_left(tmp_path: Path, table: Path, taken: str) -> None:
    home = tmp_path / "services" / "loans"
    home.mkdir(parents=True)
    (home / taken).write_text("mine")
    with pytest.raises(SpecError, match="could not be written: File exists; nothing was changed"):
        place(home, "name: loans\n", table)
    assert listing(tmp_path / "services") == ["loans", f"loans/{taken}"]
    assert (home / taken).read_text() == "mine"


def test_a_table_that_vanishes_leaves_nothing(tmp_path: Path, table: Path) -> None:
    table.unlink()
    with pytest.raises(FileNotFoundError):
        place(tmp_path / "services" / "loans", "name: loans\n", table)
    assert listing(tmp_path / "services") == []


@pytest.mark.parametrize("name", ["", "Loans", "loan_risk", "../x", "a/b", "-a", "x" * 41])
def test_a_name_that_cannot_be_a_services_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="use small letters, digits and hyphens"):
        refuse_taken(tmp_path, name)


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    refuse_taken(tmp_path, "loans")
    (tmp_path / "loans").mkdir()
    refuse_taken(tmp_path, "loans")
    (tmp_path / "loans" / "service.yaml").touch()
    with pytest.raises(SpecError, match=r"loans/service.yaml exists already and is kept"):
        refuse_taken(tmp_path, "loans")
    (tmp_path / "signing").mkdir()
    refuse_taken(tmp_path, "signing")
    (tmp_path / "signing" / "__main__.py").touch()
    with pytest.raises(SpecError, match=r"NAME 'signing' .*signing holds a program; allowed is a name that no folder"):
        refuse_taken(tmp_path, "signing")


@pytest.mark.parametrize("name", PLATFORM_IMAGES)
def test_a_name_of_a_platforms_image_is_refused(tmp_path: Path, name: str) -> None:
    """The name of a platform image is refused; a name that contains it is not."""
    allowed = "any name but components, components-cuda, components-tpu, judge, load, mlflow, server, stores"
    with pytest.raises(SpecError, match=f"NAME '{name}' cannot be a service's: an image of the platform .*{allowed}"):
        refuse_taken(tmp_path, name)
    refuse_taken(tmp_path, f"{name}-2")


def test_a_small_table_is_copied_and_others_are_named(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "services" / "loans"
    assert placed_uri(str(table), home) == ("t.csv", table)
    assert placed_uri(table.as_uri(), home) == ("t.csv", table)
    assert placed_uri("s3://bucket/t.csv", home) == ("s3://bucket/t.csv", None)
    monkeypatch.setattr(placing, "LARGEST_COPY_BYTES", 1)
    assert placed_uri(str(table), home) == (str(table), None)


def test_a_table_beside_the_spec_stays_where_it_is(tmp_path: Path, table: Path) -> None:
    assert placed_uri(str(table), table.parent) == ("t.csv", None)
    home = tmp_path / "services" / "loans"
    home.mkdir(parents=True)
    (home / "t.csv").write_text("another")
    with pytest.raises(DataError, match=r"t.csv exists already and is kept"):
        placed_uri(str(table), home)
