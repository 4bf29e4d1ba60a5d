"""What the whole report says, and that it says nothing that is not so."""

import html
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from k8s.report import FOLDER
from k8s.twin.report import write_report
from k8s.twin.report.__main__ import main
from tests.k8s.twin.report.small_demo import evaluation, write_demo

VOID = {"meta", "br", "hr", "img", "link", "input"}
HOSTILE = '<script>alert("größe")</script>'


class Tree(HTMLParser):
    """Fails on a tag that is not closed in order, and keeps tags, attributes and texts."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def read(home: Path) -> Tree:
    return Tree(write_report(home).read_text(encoding="utf-8"))


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_top_says_what_happened_with_the_summary_s_numbers(demo):
    text = read(demo).text
    assert "Everything happened as it had to" in text
    assert "Version 3 was stopped by the evidence. Version 2 keeps serving." in text
    assert "30,666 requests sent, none failed" in text  # 16,111 + 14,222 + 333
    assert "14 November 2023, 22:13 UTC" in text


def test_the_page_tells_the_judges_own_bound_on_a_bad_version(demo):
    """The page tells the reason that stopped the bad version, with the judge's own bound."""
    decision = json.loads((demo / "twin" / "events.jsonl").read_text().splitlines()[-2])
    shift = next(signal for signal in decision["evidence"]["signals"] if signal["name"] == "score_shift")
    assert (decision["verdict"], shift["state"]) == ("fail", "harm")
    text = read(demo).text
    points = f"{100 * shift['lower']:.2g}"
    assert f"beyond what the hold-out explains, by at least {points} points (the margin is 5 points)" in text
    assert f"Harm is shown: shifted by at least {points} points, and 5 points is the margin" in text
    assert decision["reason"].removeprefix("fail: ")[1:] in text


def test_every_decision_digest_and_commit_is_there(demo):
    summary = json.loads((demo / "summary.json").read_text())
    receipt = json.loads((demo / "store" / "packages" / "small" / "receipt.json").read_text())
    text = read(demo).text
    for decision in summary["decisions"]:
        assert re.sub(r"\s+", " ", decision["reason"]) in text
    for commit in summary["commits"]:
        assert commit["id"][:12] in text
        assert commit["message"].splitlines()[0] in text
    package = summary["versions"][1]["package"]
    assert f"x-canario-receipt: {package}" in text
    for digest in (package, receipt["files"]["model.onnx"], receipt["data"], receipt["code"], receipt["lock"]):
        assert digest in text


def test_the_model_card_has_the_evaluation_s_numbers(demo):
    text = read(demo).text
    assert "Made from 7,043 rows" in text
    assert "1,460 rows were held out, 411 of them positive" in text
    assert "0.871, before 0.859" in text
    assert "Version 2 is clearly better than version 1 in ROC AUC" in text  # 0.0123 ± 0.01
    assert "52 % of 300" in text
    assert "differs by 0.12 between groups by tenure; at most 0.25 is allowed" in text
    assert "0.071 ms" in text


def test_the_model_card_has_what_was_asked_beside_what_was_used(demo):
    """The model card says what each step asked for and used; files without it are still shown."""
    text = read(demo).text.replace("\N{NO-BREAK SPACE}", " ")
    assert re.search(r"tune asked for gpu x 1 and computed on NVIDIA L4 x 1 ?: its devices busy 43 % of the time", text)
    assert "5,120 MiB on them at most, 812 MiB of memory at most, 14 s of processor time in 9.0 s" in text
    change(demo / "versions" / "2" / "evaluation.json", search=None, usage={})
    assert "asked for" not in read(demo).text.partition("Model card")[2].partition("From an answer")[0]


@pytest.fixture(scope="module")
def undecided(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("undecided"), undecided=True)


def test_an_undecided_version_is_neither_failed_nor_passed(undecided, demo):
    document, failed = (write_report(home).read_text(encoding="utf-8") for home in (undecided, demo))
    text = read(undecided).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Version 3 was undecided at its deadline. Version 2 keeps serving." in text
    assert "version 3 ended as undecided; it had to end as rolled-back" in text
    assert "Version 3 was undecided and taken back" in text.replace("  ", " ")
    assert "No decision within the deadline of 0.25 minutes, for want of evidence" in text
    assert "version 3 lost its share when the judge said undecided" in text
    assert "Commit 4d4d4d4d4d4d reverts it" in text
    assert "Undecided: churn 3 sha256:" in text
    assert ('aria-label="undecided"' in document, 'aria-label="undecided"' in failed) == (True, False)
    assert "was stopped by the evidence" not in text


def test_an_undecided_version_as_the_last_word_is_told_whole(undecided, tmp_path):
    home = shutil.copytree(undecided, tmp_path / "told")
    change(home / "summary.json", ok=True, problems=[])
    text = read(home).text
    assert "By its deadline neither harm nor safety was shown." in text
    assert "as a canary until its deadline" in text
    assert "the version may be tried again" in text


def test_a_version_has_one_colour_everywhere(demo):
    document = write_report(demo).read_text()
    assert set(re.findall(r'"--c: (#\w+)"></span>version (\d)', document)) == {
        ("#0b4a8f", "1"),
        ("#c98a00", "2"),
        ("#b8475c", "3"),
    }


def test_nothing_is_loaded_from_anywhere(demo):
    tree = read(demo)
    assert {tag for tag, _ in tree.tags} & {"script", "link", "img", "iframe", "object", "base"} == set()
    for _, attributes in tree.tags:
        assert not {"src", "href", "srcset", "xlink:href"} & attributes.keys()
    style = (FOLDER / "style.css").read_text()
    assert "url(" not in style
    assert "@import" not in style


def test_every_picture_is_well_formed_labelled_and_inside(demo):
    """Every picture is well-formed XML, says in words what it shows, and stays inside its frame."""
    pictures = re.findall(r"<svg.*?</svg>", write_report(demo).read_text(), re.DOTALL)
    assert len(pictures) > 12
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        assert root.get("aria-label")
        width = float(root.get("viewBox", "").split()[2])
        for path in root.iter("path"):
            xs = [float(x) for x in re.findall(r"[ML](-?[\d.]+) ", path.get("d", ""))]
            assert all(-1 <= x <= width + 1 for x in xs)


def test_the_same_demo_gives_the_same_bytes(demo):
    first = write_report(demo).read_bytes()
    assert write_report(demo).read_bytes() == first
    assert [path.name for path in demo.glob("report*")] == ["report.html"]


def test_hostile_names_are_shown_and_never_obeyed(tmp_path):
    home = write_demo(tmp_path, service=HOSTILE, feature=HOSTILE)
    document = write_report(home).read_text()
    assert "<script" not in document
    tree = Tree(document)
    assert f"fairness by {HOSTILE}" in tree.text
    assert f"service {HOSTILE}" in tree.text
    assert html.escape(HOSTILE, quote=False)[:20] in document


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("summary.json", "summary.json is not there: the demo did not come that far."),
        ("twin/events.jsonl", "twin/events.jsonl is not there"),
        ("record/traffic/seconds.jsonl", "record/traffic/seconds.jsonl is not there"),
        ("record/clock.json", "record/clock.json does not say when the demo began"),
        ("versions/2/evaluation.json", "versions/2/evaluation.json is not there"),
        ("versions/2/result.json", "versions/2/result.json is not there"),
        ("store/packages/small/receipt.json", "receipt.json: is missing"),
    ],
)
def test_a_part_that_is_missing_is_named_and_the_rest_is_shown(demo, gone, says):
    (demo / gone).unlink()
    text = read(demo).text
    assert says in text
    assert "Model card of version" in text


def test_unrecorded_verdicts_are_taken_from_the_decisions(demo):
    """Verdicts that were not recorded are taken from the decisions."""
    (demo / "record" / "verdicts.jsonl").unlink()
    assert "Harm is shown" in read(demo).text


def test_an_empty_folder_gives_a_page_that_says_so(tmp_path):
    text = read(tmp_path).text
    assert "This demo ended before it could say how it went" in text
    assert text.count("cannot be shown") >= 6


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("summary.json", "{", "summary.json is not JSON"),
        ("summary.json", "[]", "summary.json is not a JSON object"),
        ("summary.json", '{"ok": true}', "summary.json cannot be read: service"),
        ("versions/2/evaluation.json", '{"candidate": 1}', "versions/2/evaluation.json cannot be read: candidate"),
        ("twin/events.jsonl", '{"at": 1}\n{"at": 2, "kind": "x"}\n', "twin/events.jsonl, line 1 cannot be read: kind"),
        ("record/traffic/seconds.jsonl", "", "record/traffic/seconds.jsonl is empty"),
    ],
)
def test_a_part_that_is_broken_is_named(demo, name, content, says):
    (demo / name).write_text(content)
    assert says in read(demo).text


def test_a_last_line_that_was_cut_off_is_left_out(demo):
    events = demo / "twin" / "events.jsonl"
    before = read(demo).text
    events.write_text(events.read_text() + '{"at": 17000')
    assert read(demo).text == before


def test_what_could_not_be_computed_is_left_out(demo):
    verdicts = demo / "record" / "verdicts.jsonl"
    verdicts.write_text(re.sub(r'"excess": -?[\d.e-]+', '"excess": NaN', verdicts.read_text()))
    assert "nan" not in write_report(demo).read_text().lower()


def test_a_search_without_a_trial_is_left_out(demo):
    search = {"metric": "roc_auc", "trials": []}
    change(demo / "versions" / "2" / "evaluation.json", search=search)
    text = read(demo).text
    assert "won the search" not in text
    assert "Version 2 is clearly better" in text


def test_a_package_with_a_changed_byte_is_not_vouched_for(demo):
    model = demo / "store" / "packages" / "small" / "golden.jsonl"
    model.write_bytes(model.read_bytes() + b"\n")
    assert "The package cannot be trusted" in read(demo).text


def test_a_demo_that_went_wrong_says_so_first(demo):
    problem = "5 of 900 requests to version 2 failed; allowed: 0"
    change(demo / "summary.json", ok=False, problems=[problem])
    tree = read(demo)
    assert "This run did not go as it had to" in tree.text
    assert problem in tree.text
    assert "Everything happened" not in tree.text
    assert "never stopped" not in tree.text


def test_a_version_that_was_refused_offline_says_at_which_gate(demo):
    summary = json.loads((demo / "summary.json").read_text())
    versions = [*summary["versions"][:2], {"version": "3", "package": None, "fate": "refused"}]
    change(demo / "summary.json", versions=versions, fault="shuffled-labels", ending="refused")
    change(demo / "versions" / "3" / "result.json", status="refused", message="roc_auc: 0.512, at least 0.82")
    text = read(demo).text
    assert "was refused before it met a customer" in text
    assert "0 requests reached version 3" in text
    assert "roc_auc: 0.512, at least 0.82" in text


def test_failures_that_were_asked_for_are_told_apart(demo):
    requests = {"2": {"sent": 900, "failed": 2}, "3": {"sent": 100, "failed": 5}}
    change(demo / "summary.json", requests=requests, fault="errors")
    assert "1,000 requests sent, 5 failed on purpose, 2 others" in read(demo).text
    change(demo / "summary.json", requests=requests, fault="slow")
    assert "1,000 requests sent, 7 failed" in read(demo).text


def test_without_a_judge_no_version_has_proved_itself(demo):
    """Without a judge no version is said to have proved itself."""
    summary = json.loads((demo / "summary.json").read_text())
    summary["versions"][2]["fate"] = "promoted"
    ending = {"versions": summary["versions"], "champion": "3", "fault": "errors", "ending": "promoted"}
    change(demo / "summary.json", decisions=[], **ending)
    (demo / "record" / "verdicts.jsonl").unlink()
    text = read(demo).text
    assert "Version 3 took all traffic once it was ready and is the champion." in text
    assert "No judge compares it with the champion" in text
    assert "The evidence" not in text


def test_a_third_good_version_gets_the_model_card(demo):
    summary = json.loads((demo / "summary.json").read_text())
    summary["versions"][2]["fate"] = "promoted"
    change(demo / "summary.json", versions=summary["versions"], champion="3", fault="none", ending="promoted")
    text = read(demo).text
    assert "Version 3 proved itself under live traffic and is the champion." in text
    assert "The evidence closed in on the margin" in text
    assert "No judge" not in text
    assert "Model card of version 3" in text
    assert "0 is version 2" in text


def test_a_first_version_has_nobody_to_be_compared_with(demo):
    shutil.rmtree(demo / "versions" / "2")
    summary = json.loads((demo / "summary.json").read_text())
    change(demo / "summary.json", versions=summary["versions"][:1], champion="1", ok=False)
    (demo / "versions" / "1" / "evaluation.json").write_text(json.dumps(evaluation()))
    assert "What version 1 shows on the hold-out" in read(demo).text


def test_the_command_writes_the_file_and_refuses_another_path(demo, monkeypatch, capsys):
    """The command writes the file, and refuses a path that is not a folder."""
    monkeypatch.setattr("sys.argv", ["report", str(demo)])
    assert main() == 0
    assert capsys.readouterr().out.strip() == str(demo / "report.html")
    monkeypatch.setattr("sys.argv", ["report", str(demo / "nowhere")])
    assert main() == 2
    assert "is not a folder; give one that `make demo` made" in capsys.readouterr().err
