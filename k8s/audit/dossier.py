"""A dossier on disk: the page, its records and their index; written as a whole, and checked byte by byte."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from components.digest import Digest, sha256
from components.files import write_atomically
from components.spec.contract import ClosedModel
from k8s.audit import operation_sections, training_sections
from k8s.audit.errors import AuditError
from k8s.audit.records import Records
from k8s.audit.statements import Section

_INDEX: Final = "index.json"

#: The sections in the order of the page.
_SECTIONS: Final[tuple[Callable[[Records], Section], ...]] = (
    training_sections.purpose, operation_sections.chain, training_sections.data, training_sections.training,
    training_sections.tests, training_sections.fairness, operation_sections.approvals, operation_sections.rollouts,
    operation_sections.incidents,
)  # fmt: skip


class Dossier(ClosedModel):
    """`index.json`: the sentences of the page, and the digest of every record.

    Attributes:
        written: seconds since 1970.
        code: the commit of the code that wrote the dossier.
    """

    schema_version: Literal[1] = 1
    service: str
    version: str
    package: Digest
    written: float
    code: str
    records: Annotated[dict[str, Digest], Field(min_length=1)]
    sections: tuple[Section, ...]


def compose(folder: Path) -> tuple[Section, ...]:
    """Makes every sentence from the records in a folder; equal records give equal sentences.

    Raises:
        AuditError: a record cannot be read, is missing, or contradicts its own digest.
    """
    known = Records(folder)
    found = tuple(section(known) for section in _SECTIONS)
    for section in found:
        for statement in section.statements:
            missing = [name for name in statement.records if not known.has(name)]
            if missing:
                raise AuditError(f"{', '.join(missing)}: is not there, and {section.title!r} rests on it")
    return found


def index_of(folder: Path) -> Path:
    """The path of a dossier's index."""
    return folder / _INDEX


def page_of(folder: Path) -> Path:
    """The path of a dossier's page, beside the folder of its records."""
    return folder.with_name(f"{folder.name}.html")


def write_dossier(
    folder: Path, gather: Callable[[Path], None], render: Callable[[Dossier, str], str], at: float, code: str
) -> Path:
    """Gathers the records into a draft, then replaces an older dossier with it; returns the page's path.

    Raises:
        AuditError: a record is not available; an older dossier stays as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        gather(draft)
        dossier = _dossier(draft, at, code)
        text = render(dossier, folder.name)
        index_of(draft).write_text(dossier.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(draft, folder)  # noqa: PTH104 -- Path.rename does the same
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return write_atomically(page_of(folder), text)


def _dossier(folder: Path, at: float, code: str) -> Dossier:
    known = Records(folder)
    return Dossier(
        service=known.run["service"],
        version=known.run["version"],
        package=known.package.digest,
        written=round(at),
        code=code,
        records=_digests(folder),
        sections=compose(folder),
    )


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != index_of(folder))
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()) for path in files}


def check_dossier(folder: Path, render: Callable[[Dossier, str], str]) -> Dossier:
    """Returns a dossier after it has checked that every record, every sentence and the page are unchanged.

    Raises:
        AuditError: something was changed, removed or added; the message names it.
    """
    dossier = _read(index_of(folder))
    found = _digests(folder)
    for name, digest in dossier.records.items():
        if name not in found:
            raise AuditError(f"{folder / name}: is missing; the dossier rests on it, so write it again")
        if found[name] != digest:
            raise AuditError(f"{folder / name}: was changed: it is {found[name]}, and the dossier names {digest}")
    added = sorted(found.keys() - dossier.records.keys())
    if added:
        raise AuditError(f"{folder / added[0]}: is no record of this dossier; remove it")
    if compose(folder) != dossier.sections:
        raise AuditError(f"{index_of(folder)}: its sentences are not those that the records give {_elsewhere(dossier)}")
    page = page_of(folder)
    if not page.is_file() or page.read_text(encoding="utf-8") != render(dossier, folder.name):
        raise AuditError(f"{page}: is not the page of this dossier {_elsewhere(dossier)}")
    return dossier


def _elsewhere(dossier: Dossier) -> str:
    return f"(or other code wrote it: check with commit {dossier.code}, or write it again)"


def _read(path: Path) -> Dossier:
    try:
        return Dossier.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise AuditError(f"{path}: is not there; `make audit VERSION=n` writes it") from error
    except ValidationError as error:
        raise AuditError(f"{path}: is no dossier's index any more: {error}") from error
