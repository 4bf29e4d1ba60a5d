from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from components.profile.__main__ import main
from components.spec.contract import CategoryFeature, DateFeature, NumberFeature, Spec
from components.spec.reading.loading import load_spec
from components.spec.traffic_settings import TRAFFIC_SETTINGS
from components.table.cells import read_table
from components.table.examples import examples_of
from components.table.holdout import split_examples
from components.table.wording import reading_of
from components.validation.checks import check_examples

ROWS = 600


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., int]:
    """Runs `make new` for a table; the services are in `tmp_path / "services"`."""

    def run(frame: pd.DataFrame, target: str, *more: str, name: str = "new") -> int:
        table = tmp_path / "table.csv"
        frame.to_csv(table, index=False)
        folder = str(tmp_path / "services")
        return main(["--name", name, "--data", str(table), "--target", target, "--services", folder, *more])

    return run


def written(tmp_path: Path, name: str = "new") -> Spec:
    """Reads the written spec, and runs training's own checks on its table."""
    spec = load_spec(tmp_path / "services" / name / "service.yaml")
    examples = examples_of(read_table(spec.data.uri, reading_of(spec)), spec)
    check_examples(examples, spec)
    split_examples(examples, spec)
    return spec


def nasty() -> pd.DataFrame:
    """A table with every defect that real tables have."""
    random = np.random.default_rng(1)
    signal = random.normal(size=ROWS)
    gone = random.random(ROWS) < 1 / (1 + np.exp(-2 * signal))
    days = pd.to_datetime("2021-01-01") + pd.to_timedelta(random.integers(0, 900, ROWS), unit="D")
    frame = pd.DataFrame(
        {
            "Kunden-Nr": np.arange(ROWS) + 1000,
            "größe in cm": (170 + 10 * signal).round(1),
            'says "hi"\n, there': random.choice(["a,b", "c: d", "# e", "Yes", "No"], ROWS),
            "empty": "",
            "fest": "immer",
            "plz": random.choice(["01067", "80331", "10115"], ROWS),
            "when": days.strftime("%Y-%m-%d"),
            "wann": days.strftime("%d.%m.%Y"),
            "stars": random.integers(1, 6, ROWS),
            "flag": random.choice(["True", "False"], ROWS),
            "note": [f"text {i % 300}" for i in range(ROWS)],
            "amount": [f"{value:,.0f}" for value in random.lognormal(9, 1, ROWS)],
            "顧客": random.choice(["東京", "大阪"], ROWS),
            "status": np.where(gone, "closed", "open"),
            "Ausgang?": np.where(gone, "weg, leider", "hier"),
        }
    )
    gaps = ["größe in cm", "plz", "when", "stars", "flag", "顧客", "amount"]
    return frame.assign(**{name: frame[name].astype(object).where(random.random(ROWS) > 0.1, "?") for name in gaps})


def test_a_nasty_table_becomes_a_spec(
    tmp_path: Path, make: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(nasty(), "Ausgang?") == 0
    spec, told = written(tmp_path), capsys.readouterr().out
    assert spec.data.positive in ("weg, leider", "hier")
    assert spec.data.id == "Kunden-Nr"
    assert spec.data.ignore == ("empty", "fest", "wann", "note", "status")
    assert spec.features == {
        "größe in cm": NumberFeature(type="number", min=130, max=205, missing="allowed"),
        'says "hi"\n, there': CategoryFeature(type="category", values=("# e", "No", "Yes", "a,b", "c: d")),
        "plz": CategoryFeature(type="category", values=("01067", "10115", "80331"), missing="allowed"),
        "when": spec.features["when"],
        "stars": CategoryFeature(type="category", values=(1, 2, 3, 4, 5), missing="allowed"),
        "flag": CategoryFeature(type="category", values=(False, True), missing="allowed"),
        "amount": NumberFeature(type="number", min=0, max=250_000, missing="allowed"),
        "顧客": CategoryFeature(type="category", values=("大阪", "東京"), missing="allowed"),
    }
    assert isinstance(spec.features["when"], DateFeature)
    assert "note: amount: ? read as missing; commas are read as thousands separators" in told
    assert "'status' (ignored): may be a leak: alone it tells the target (AUC 1.0000)" in told
    assert "(guessed: it is the rarer word)" in told


def test_csv_and_parquet_of_one_table_give_one_spec(tmp_path: Path, make: Callable[..., int]) -> None:
    table = nasty().astype(str)
    assert make(table, "Ausgang?") == 0
    table.to_parquet(tmp_path / "table.parquet")
    options = ["--name", "other", "--target", "Ausgang?", "--services", str(tmp_path / "services")]
    assert main([*options, "--data", (tmp_path / "table.parquet").as_uri()]) == 0
    assert written(tmp_path).features == written(tmp_path, "other").features


def cancer() -> pd.DataFrame:
    frame: pd.DataFrame = load_breast_cancer(as_frame=True).frame
    return frame


def wine() -> pd.DataFrame:
    frame: pd.DataFrame = load_wine(as_frame=True).frame
    return frame.assign(target=frame["target"] == 1).reset_index()


def digits() -> pd.DataFrame:
    frame: pd.DataFrame = load_digits(as_frame=True).frame
    return frame.assign(target=np.where(frame["target"] % 2, 1.0, 2.0))


@pytest.mark.parametrize(
    ("table", "positive", "numbers", "categories", "ignored"),
    [(cancer, 1, 30, 0, 0), (wine, True, 13, 0, 0), (digits, 2, 54, 7, 3)],
)
def test_tables_of_scikit_learn_become_specs(
    tmp_path: Path,
    make: Callable[..., int],
    table: Callable[[], pd.DataFrame],
    positive: object,
    numbers: int,
    categories: int,
    ignored: int,
) -> None:
    assert make(table(), "target") == 0
    spec = written(tmp_path)
    kinds = [feature.type for feature in spec.features.values()]
    assert spec.data.positive == positive
    assert (kinds.count("number"), kinds.count("category")) == (numbers, categories)
    assert len(spec.data.ignore) == ignored
    assert spec.gates.roc_auc
    assert 0.8 < spec.gates.roc_auc.min < 0.97


@pytest.mark.parametrize("rows", [200, 250])
def test_a_table_of_two_hundred_rows_is_enough(tmp_path: Path, make: Callable[..., int], rows: int) -> None:
    assert make(nasty().head(rows), "Ausgang?", "--positive", "hier") == 0
    assert written(tmp_path).data.positive == "hier"


def test_a_rare_word_gets_a_larger_hold_out(tmp_path: Path, make: Callable[..., int]) -> None:
    frame = pd.DataFrame({"x": np.arange(300) * 1.5, "y": np.where(np.arange(300) % 15 == 3, "rare", "usual")})
    assert make(frame, "y") == 0
    assert written(tmp_path).split.holdout > 0.2


def table_of(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)


@pytest.mark.parametrize(
    ("frame", "target", "said"),
    [
        (table_of("a,y\n"), "y", "no rows"),
        (nasty().assign(y="1"), "y", "holds one class only: '1' (600 rows)"),
        (nasty(), "gone", "column 'gone', the target, is not in the table; it has 'Kunden-Nr', "),
        (nasty().assign(y=[f"text {row}" for row in range(ROWS)]), "y", "holds 600 different texts, such as 'text 0'"),
        (nasty().assign(y=np.arange(ROWS) < 19), "y", "the rarer word stands in 19 rows only; at least 20 are needed"),
        (nasty()[["status", "Ausgang?"]], "Ausgang?", "no column is left to learn from ('status': may be a leak"),
        (nasty()[["Ausgang?"]], "Ausgang?", "the target is the only one"),
        (nasty().rename(columns={"plz": "note"}), "Ausgang?", "columns ['note'] stand twice in the header"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_leaves_nothing(
    tmp_path: Path,
    make: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    frame: pd.DataFrame,
    target: str,
    said: str,
) -> None:
    assert make(frame, target) == 2
    assert not (tmp_path / "services").exists()
    error = capsys.readouterr().err
    assert error.startswith("make new: ")
    assert said in error
    assert error.count("\n") == 1


def test_a_positive_word_that_is_not_there_is_one_sentence(
    make: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(nasty(), "Ausgang?", "--positive", "gone") == 2
    assert "never holds 'gone'; the positive word is one of" in capsys.readouterr().err


def test_a_spec_that_is_there_is_kept(
    tmp_path: Path, make: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(cancer(), "target") == 0
    spec = tmp_path / "services" / "new" / "service.yaml"
    before = spec.read_bytes()
    assert make(nasty(), "Ausgang?") == 2
    assert "exists already and is kept" in capsys.readouterr().err
    assert spec.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "margin", "remark"),
    [
        ([], None, "TODO 0.02, if labels come back less than 12 min after their answers"),
        (["--label-delay", "5m"], 0.02, "labels come 5 min after their answers"),
        (
            ["--label-delay", "30m"],
            None,
            "labels come 30 min after their answers, at each of 5 weights anew: too late for a deadline of 60 min",
        ),
        (["--traffic", "low", "--label-delay", "24h"], 0.1, "labels come 24 h after their answers"),
        (
            ["--traffic", "low", "--label-delay", "3d"],
            None,
            "labels come 3 days after their answers, which are remembered for 32 h: not long enough",
        ),
        (
            ["--traffic", "low", "--label-delay", "20d"],
            None,
            "labels come 20 days after their answers: too late for a deadline of 14 days",
        ),
    ],
)
def test_labels_are_judged_where_they_come_in_time(
    tmp_path: Path,
    make: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    margin: float | None,
    remark: str,
) -> None:
    assert make(cancer(), "target", *options) == 0
    assert written(tmp_path).rollout.harm.label_loss == margin
    lines = (tmp_path / "services" / "new" / "service.yaml").read_text().splitlines()
    assert f"    label_loss: {'null' if margin is None else margin}  # {remark}" in lines
    assert ("labels that come back are not judged" in capsys.readouterr().out) == (margin is None)


def test_a_named_setting_is_written(tmp_path: Path, make: Callable[..., int]) -> None:
    assert make(cancer(), "target", "--traffic", "low", "--label-delay", "1h") == 0
    assert written(tmp_path).rollout == TRAFFIC_SETTINGS["low"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--label-delay", "5"], "LABEL_DELAY=5: '5' is no length of time; allowed are such as '30s', '5m', '2h'"),
        (["--traffic", "tiny"], "TRAFFIC=tiny is no setting; allowed are usual and low"),
    ],
)
def test_a_wrong_delay_or_setting_is_one_sentence(
    tmp_path: Path, make: Callable[..., int], capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert make(cancer(), "target", *options) == 2
    assert not (tmp_path / "services").exists()
    assert f"make new: {said}" in capsys.readouterr().err
