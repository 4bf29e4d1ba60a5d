"""A dossier says what its records give, links every sentence, and no longer holds once a byte of it was changed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from components.digest import sha256
from k8s.audit.__main__ import main
from k8s.audit.collect import gather
from k8s.audit.dossier import Dossier, check_dossier, index_of, page_of, write_dossier
from k8s.audit.errors import AuditError
from k8s.audit.page import page
from k8s.audit.statements import Section
from tests.git_repository import ANN, git
from tests.k8s.audit.known_version import BOB, Known, make, write_replay


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    return make(tmp_path_factory, tmp_path_factory.mktemp("version"))


def written(known: Known, folder: Path) -> Dossier:
    write_dossier(folder, lambda draft: gather("small", "1", known.places, draft), page, 1_700_000_000.0, "c" * 40)
    return check_dossier(folder, page)


@pytest.fixture(scope="module")
def kept(known: Known, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit") / "small-1"
    written(known, folder)
    return folder


@pytest.fixture
def dossier(kept: Path, tmp_path: Path) -> Path:
    """A dossier that a test may change."""
    shutil.copytree(kept, tmp_path / kept.name)
    shutil.copyfile(page_of(kept), page_of(tmp_path / kept.name))
    return tmp_path / kept.name


def section(found: Dossier, key: str) -> Section:
    return next(one for one in found.sections if one.key == key)


def texts(found: Dossier, key: str) -> str:
    return "\n".join(f"{one.text} {one.quote}" for one in section(found, key).statements)


def test_every_sentence_rests_on_records_or_says_there_is_none(kept: Path) -> None:
    """Every sentence rests on records with their digests, or says that there is none."""
    found = check_dossier(kept, page)
    assert [one.key for one in found.sections] == [
        *("purpose", "chain", "data", "training", "tests", "fairness", "approvals", "rollouts", "incidents"),
    ]
    for statement in [one for part in found.sections for one in part.statements]:
        assert statement.records or statement.text.startswith("No record: ")
        for name in statement.records:
            assert found.records[name] == sha256((kept / name).read_bytes())


def test_purpose_data_and_tests_are_those_of_the_records(kept: Path, known: Known) -> None:
    found = check_dossier(kept, page)
    assert "Will a member leave?" in texts(found, "purpose")
    assert "Ranks members for a call." in texts(found, "purpose")
    assert "the members' desk" in texts(found, "purpose")
    assert known.package.receipt.data in texts(found, "data")
    assert "600 rows, byte for byte" in texts(found, "data")
    assert "- a note" in texts(found, "data")
    assert "No record: the spec named no source" in texts(found, "data")
    assert "Gate ROC AUC" in texts(found, "tests")
    gates = [one for one in section(found, "tests").statements if one.text.startswith("Gate")]
    assert {one.mark for one in gates} == {"pass"}
    assert "senior 0" in texts(found, "fairness")


def test_what_a_late_step_used_is_told_of_its_run(kept: Path) -> None:
    (told,) = [one for one in section(check_dossier(kept, page), "training").statements if "step image" in one.text]
    assert "321" in told.text
    assert told.records == ("run.json",)


def test_who_brought_it_where_and_what_became_of_it_is_told(kept: Path, known: Known) -> None:
    found = check_dossier(kept, page)
    staging, production = section(found, "approvals").statements
    assert f"{ANN[0]} <{ANN[1]}> asked for it in staging" in staging.text
    assert "merged" not in staging.text
    assert f"{BOB[0]} <{BOB[1]}> merged it" in production.text
    assert f"commits/{known.commits['merge']}" in production.records
    decision, end = section(found, "rollouts").statements
    assert decision.text == "At 10 % of the requests the judge said fail after 3 looks that decided nothing."
    assert decision.quote == "More requests ended in an error."
    assert (decision.mark, end.mark) == ("fail", "fail")
    (incident,) = section(found, "incidents").statements
    assert "taken back in production" in incident.text
    assert "More requests ended in an error." in incident.quote
    assert incident.records[0] == f"commits/{known.commits['revert']}"


def retold(known: Known, home: Path, verdict: str, trailer: str, conclusion: str, **evidence: object) -> Dossier:
    """The dossier where the canary ended with this verdict, trailer and check, and all else is the same."""
    repository, events = home / "environments", home / "events.jsonl"
    shutil.copytree(known.places.repository, repository)
    said = f"{git(repository, 'log', '-1', '--format=%B').strip()}\n\n{trailer}: small 1 {known.package.digest}"
    git(repository, "commit", "-q", "--amend", "-m", said)
    lines = [json.loads(line) for line in known.places.events.read_text(encoding="utf-8").splitlines()]
    (ending,) = (line for line in lines if line["verdict"] == "fail")
    ending.update(verdict=verdict, evidence=evidence)
    events.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    check = known.places.build / "verdict" / "check.json"
    check.parent.mkdir(exist_ok=True)
    output = {"title": "small version 1 in production: over", "summary": "The judge said: ..."}
    check.write_text(json.dumps({"conclusion": conclusion, "output": output}), encoding="utf-8")
    try:
        return written(replace(known, places=replace(known.places, repository=repository, events=events)), home / "d-1")
    finally:
        check.unlink()


def test_undecided_is_told_as_such_and_is_no_failure(known: Known, tmp_path: Path) -> None:
    found = retold(known, tmp_path, "undecided", "Undecided", "timed_out")
    check, decision, end = section(found, "rollouts").statements
    assert decision.text == "At 10 % of the requests the judge said undecided after 3 looks that decided nothing."
    assert end.text.startswith("Its canary was undecided at the deadline, and the champion of then got all requests")
    (incident,) = section(found, "incidents").statements
    assert incident.text.startswith("It was taken back undecided in production on ")
    assert {one.mark for one in (check, decision, end, incident)} == {"undecided"}
    text = page_of(tmp_path / "d-1").read_text(encoding="utf-8")
    assert text.count('aria-label="undecided"') == 4
    assert 'aria-label="fail"' not in text.partition('id="rollouts"')[2]


def test_an_old_fail_for_want_of_evidence_is_told_as_it_was(known: Known, tmp_path: Path) -> None:
    """Records from before there was undecided say fail, and the dossier says what they say."""
    found = retold(known, tmp_path, "fail", "Rolled-back", "failure", want_of_evidence=True)
    check, decision, end = section(found, "rollouts").statements
    assert "the judge said fail after 3 looks" in decision.text
    assert end.text.startswith("Its canary failed, and the champion of then got all requests back.")
    (incident,) = section(found, "incidents").statements
    assert incident.text.startswith("It was taken back in production on ")
    assert {one.mark for one in (check, decision, end, incident)} == {"fail"}


def test_what_has_no_record_is_said_and_not_left_out(known: Known, tmp_path: Path) -> None:
    elsewhere = tmp_path / "empty"
    shutil.copytree(known.places.repository, elsewhere)
    git(elsewhere, "reset", "-q", "--hard", git(elsewhere, "rev-list", "--max-parents=0", "HEAD"))
    bare = replace(known, places=replace(known.places, repository=elsewhere))
    found = written(bare, tmp_path / "small-1")
    assert "No record: up to commit" in texts(found, "approvals")
    assert "No record: no rollout" in texts(found, "rollouts")
    assert "no commit takes it back" in texts(found, "incidents")
    assert "No record: nobody has signed" in texts(found, "chain")
    assert "No record: nobody has made it again" in texts(found, "training")
    assert "events.jsonl" not in found.records


def test_a_replay_that_was_recorded_is_told(known: Known, tmp_path: Path) -> None:
    write_replay(known, "within tolerance")
    found = written(known, tmp_path / "small-1")
    assert "up to 1.0e-08 off, 1e-06 is allowed; threads 8 instead of 2" in texts(found, "training")
    (known.places.build / "replay" / "small-1.json").unlink()


def test_data_that_was_changed_or_is_gone_is_told(known: Known, tmp_path: Path) -> None:
    (snapshot,) = (known.places.build / "store" / "snapshots").iterdir()
    content = snapshot.read_bytes()
    try:
        snapshot.write_bytes(content + b"x")
        assert "was changed" in texts(written(known, tmp_path / "small-1"), "data")
        snapshot.unlink()
        assert "cannot be trained again" in texts(written(known, tmp_path / "small-1"), "data")
    finally:
        snapshot.write_bytes(content)


def test_the_page_links_to_its_records_and_needs_nothing_else(kept: Path) -> None:
    """The page's links lead to the records, and the page needs nothing else."""
    text = page_of(kept).read_text(encoding="utf-8")
    links = {unquote(link) for link in re.findall(r'href="([^"#]+)"', text)}
    assert len(links) > 10
    assert all((kept.parent / link).is_file() for link in links)
    assert "http" not in re.sub(r"More requests.*", "", text)
    assert re.findall(r"<(?:script|img|link)\b", text) == []


def _first_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    ["package/model.onnx", "package/receipt.json", "run.json", "evaluation.json", "events.jsonl", "history.json"],
)
def test_a_changed_byte_of_a_record_is_refused_by_its_name(dossier: Path, name: str) -> None:
    _first_byte(dossier / name)
    with pytest.raises(AuditError, match=f"{re.escape(name)}: was changed"):
        check_dossier(dossier, page)


def test_every_record_is_held_to_its_digest(dossier: Path) -> None:
    for name in check_dossier(dossier, page).records:
        content = (dossier / name).read_bytes()
        (dossier / name).write_bytes(content + b"\n")
        with pytest.raises(AuditError, match="was changed"):
            check_dossier(dossier, page)
        (dossier / name).write_bytes(content)


def test_a_changed_page_is_refused(dossier: Path) -> None:
    text = page_of(dossier).read_text(encoding="utf-8")
    page_of(dossier).write_text(text.replace("fail after 3 looks", "pass after 3 looks"), encoding="utf-8")
    with pytest.raises(AuditError, match="is not the page of this dossier"):
        check_dossier(dossier, page)


def changed_index(change: Callable[[dict[str, object]], None], folder: Path) -> None:
    index = json.loads(index_of(folder).read_text(encoding="utf-8"))
    change(index)
    index_of(folder).write_text(json.dumps(index), encoding="utf-8")


def test_a_sentence_that_no_record_gives_is_refused(dossier: Path) -> None:
    text = index_of(dossier).read_text(encoding="utf-8")
    index_of(dossier).write_text(text.replace("Ranks members for a call.", "Ranks members for anything."), "utf-8")
    with pytest.raises(AuditError, match="its sentences are not those that the records give"):
        check_dossier(dossier, page)


def test_a_commit_rewritten_with_its_digest_is_refused(dossier: Path, known: Known) -> None:
    """A commit that was written anew is refused, even when its digest was written anew, too."""
    name = f"commits/{known.commits['merge']}"
    forged = (dossier / name).read_bytes().replace(b"Bob", b"Eve")
    (dossier / name).write_bytes(forged)
    changed_index(lambda index: index["records"].update({name: sha256(forged)}), dossier)  # type: ignore[attr-defined]
    with pytest.raises(AuditError, match="is not the commit that it is named after"):
        check_dossier(dossier, page)


def test_a_record_that_is_gone_or_was_added_is_refused(dossier: Path) -> None:
    (dossier / "more.json").write_text("{}")
    with pytest.raises(AuditError, match="is no record of this dossier"):
        check_dossier(dossier, page)
    (dossier / "more.json").unlink()
    (dossier / "validation.md").unlink()
    with pytest.raises(AuditError, match=r"validation\.md: is missing"):
        check_dossier(dossier, page)


def test_the_command_writes_checks_and_refuses(known: Known, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--service", "small", "--build", str(known.places.build), "--repository", str(known.places.repository)]
    assert main([*asked, "--version", "1", "--check"]) == 1
    assert "`make audit VERSION=n` writes it" in capsys.readouterr().err
    assert main([*asked, "--version", "1"]) == 0
    assert main([*asked, "--version", "1", "--check"]) == 0
    assert "records, every byte and every sentence" in capsys.readouterr().out
    assert main([*asked, "--version", "9"]) == 1
    assert "version 9 of small is not in" in capsys.readouterr().err
    assert sorted(path.name for path in (known.places.build / "audit").iterdir()) == ["small-1", "small-1.html"]


def test_a_run_without_its_results_has_no_dossier(
    known: Known, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recorded,) = (known.places.build / "mlflow" / "artifacts").rglob("artifacts/evaluation.json")
    recorded.rename(tmp_path / "away.json")
    asked = ["--service", "small", "--build", str(known.places.build), "--repository", str(known.places.repository)]
    try:
        assert main([*asked, "--version", "1"]) == 1
    finally:
        (tmp_path / "away.json").rename(recorded)
    said = capsys.readouterr().err
    assert "not written: version 1 of small: its run" in said
    assert "has no evaluation.json, on which a dossier rests; train it again" in said


def test_words_of_a_record_are_never_markup(kept: Path) -> None:
    found = check_dossier(kept, page)
    purpose = (
        found.sections[0].statements[0].model_copy(update={"text": "<script>alert(1)</script> sha256:" + "a" * 64})
    )
    changed = found.sections[0].model_copy(update={"statements": (purpose,)})
    text = page(found.model_copy(update={"sections": (changed, *found.sections[1:])}), "small-1")
    assert f"&lt;script&gt;alert(1)&lt;/script&gt; <code>sha256:{'a' * 64}</code>" in text
