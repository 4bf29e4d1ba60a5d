"""Any service's table can be benched: our package of a model answers its rows as scikit-learn does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.features.encoding import encode_rows
from components.package.answers import TOLERANCE
from components.package.model_package import open_graph, read_package
from components.spec.contract import Spec
from tests.components.small_table import csv_of, small_frame, small_spec
from tests.load.bench.errors import BenchError
from tests.load.bench.subject import MODELS, prepare


def _spec(folder: Path, *left_out: str) -> Spec:
    spec = small_spec()
    (folder / "t.csv").write_bytes(csv_of(small_frame(400)))
    features = {name: feature for name, feature in spec.features.items() if name not in left_out}
    data = spec.data.model_copy(update={"uri": str(folder / "t.csv")})
    return spec.model_copy(update={"data": data, "features": features})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
@pytest.mark.parametrize("model", MODELS)
def test_our_package_answers_as_scikit_learn(model: str, tmp_path: Path) -> None:
    """Our package answers as scikit-learn does, whatever unit and gaps the table has."""
    subject = prepare(model, tmp_path / model, _spec(tmp_path, "since"))
    package = read_package(subject.package)
    answers = open_graph(package).predict(encode_rows(package.contract.encoding, subject.rows))
    assert len(subject.rows) >= 100
    assert np.abs(answers - subject.expected).max() <= TOLERANCE


def test_what_peers_do_not_take_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="'since' is date"):
        prepare("logistic_regression", tmp_path, _spec(tmp_path))
