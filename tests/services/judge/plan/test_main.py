"""The command: its tables, its sentences and its exit status."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.judge.plan import figures, playing
from services.judge.plan.__main__ import main
from services.judge.plan.playing import PlayedRollouts
from tests.repo.tree import ROOT
from tests.services.judge.pages import replica_page

SPEC = ROOT / "services" / "churn" / "service.yaml"
SHORT = ("--rollouts", "20")
LATE_LABELS = ("--rate", "2", "--label-delay", "5m", *SHORT)


@pytest.fixture(scope="module", autouse=True)
def played_once() -> Iterator[None]:
    """Rollouts with the same seed end the same, so that what several commands ask is played once."""
    played: dict[bytes, PlayedRollouts] = {}

    def play(*arguments: Any) -> PlayedRollouts:
        key = pickle.dumps(arguments)
        if key not in played:
            played[key] = playing.play(*arguments)
        return played[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(figures, "play", play)
        yield


@pytest.fixture
def errors(tmp_path: Path) -> Path:
    """Churn's spec with two steps, without the signals that take long to play."""
    text = SPEC.read_text(encoding="utf-8").replace(
        "slow_ratio: 0.02, score_shift: 0.05, label_loss: 0.02",
        "slow_ratio: null, score_shift: null, label_loss: null, lost_ratio: null",
    )
    path = tmp_path / "service.yaml"
    path.write_text(text.replace("step_weight: 10", "step_weight: 25"), encoding="utf-8")
    return path


@pytest.fixture
def labels(errors: Path) -> Path:
    """The same with labels."""
    errors.write_text(errors.read_text(encoding="utf-8").replace("label_loss: null", "label_loss: 0.05"), "utf-8")
    return errors


@pytest.mark.parametrize("width", [80, 160])
def test_tables_are_whole_on_any_terminal(
    labels: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["--spec", str(labels), *LATE_LABELS]) == 3
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in told


@pytest.mark.slow
def test_what_does_not_fit_is_told_with_what_to_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(SPEC), "--rate", "2", "--label-delay", "5m", *SHORT]) == 3
    told = capsys.readouterr().out
    assert "\N{HORIZONTAL ELLIPSIS}" not in told
    words = " ".join(told.split())
    assert words.startswith("churn at 2/s: the rollout does not fit.")
    for word in ("error_ratio", "slow_ratio", "score_shift", "label_loss", "all signals", "wider margins"):
        assert word in words
    assert "Each of the 5 weights waits for its own. At promotion, those of the last 5 min are not known yet." in words
    assert "Simulated: 20 rollouts a row (20 for scores)" in words
    assert "The champion is assumed" in words


def test_labels_and_changes_are_told(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(labels), *LATE_LABELS]) == 3
    words = " ".join(capsys.readouterr().out.split())
    assert "50 % of the answers get a label, 5 min later. Each of the 2 weights waits for its own." in words
    assert "What to change" in words
    assert "- no labels: label_loss: null; worse answers are not found by their labels" in words


def test_what_fits_is_told_without_changes(errors: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(errors), "--rate", "600/min", *SHORT]) == 0
    told = capsys.readouterr().out
    assert told.startswith("churn at 10/s: the rollout fits.")
    assert "What to change" not in told
    assert "label" not in told


def test_a_champions_counters_are_taken(errors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A champion with 3 % errors needs many more requests than the simulated one."""
    page = tmp_path / "metrics"
    page.write_text(replica_page(10_000, 300), encoding="utf-8")
    assert main(["--spec", str(errors), "--rate", "10", "--counters", str(page), *SHORT]) == 3
    assert "3 % errors" in " ".join(capsys.readouterr().out.split())


def test_a_named_setting_is_played_instead(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--spec", str(SPEC), "--traffic", "low", "--rate", "100/day", "--label-delay", "24h", *SHORT]
    assert main(asked) == 0
    assert "the deadline is 14 days" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", "0"], "RATE=0: '0' is no rate above 0; allowed are such as '2' (a second), '30/min' and '100/day'"),
        (["--rate", ""], "RATE=: '' is no rate above 0"),
        (["--rate", "-2"], "RATE=-2: '-2' is no rate"),
        (["--rate", "2", "--label-delay", "5"], "LABEL_DELAY=5: '5' is no length of time; allowed are such as '30s'"),
        (["--rate", "2", "--labelled", "50"], "LABELLED=50: '50' is no share of the answers; allowed is 0 to 1"),
        (["--rate", "2", "--traffic", "tiny"], "TRAFFIC=tiny is no setting; allowed are usual and low"),
        (["--rate", "2", "--counters", "none"], "none cannot be read"),
        (["--rate", "2", "--rollouts", "5"], "--rollouts 5 is too few to tell 90 %; allowed is 20 or more"),
    ],
)
def test_wrong_input_is_one_sentence(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(SPEC), *[f"{options[i]}={options[i + 1]}" for i in range(0, len(options), 2)]]) == 2
    error = capsys.readouterr().err
    assert error.startswith("make plan: ")
    assert said in error
    assert error.count("\n") == 1


def test_a_service_that_is_not_there_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(tmp_path / "service.yaml"), "--rate", "2"]) == 2
    assert "`make new` writes a first spec" in capsys.readouterr().err


def test_a_shadow_is_no_canary_to_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SPEC.read_text(encoding="utf-8").replace("strategy: canary", "strategy: shadow")
    (tmp_path / "service.yaml").write_text(text, encoding="utf-8")
    assert main(["--spec", str(tmp_path / "service.yaml"), "--rate", "2"]) == 2
    assert "rollout.strategy is shadow" in capsys.readouterr().err
