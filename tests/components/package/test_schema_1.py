"""A package that commit 96f05a9 wrote: it is read, is a champion, and is written again as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.features.encoding import encode_rows
from components.package.answers import outputs_of
from components.package.model_package import CONTRACT, GOLDEN, HOLDOUT, open_graph, read_package
from components.spec.contract import Spec
from tests.before import DIGEST, FOLDER
from tests.components.small_table import small_spec
from tests.components.trained_small import evaluated, packaged, small_model


def test_it_is_read_and_answers_as_it_did() -> None:
    package = read_package(FOLDER)
    assert package.digest == DIGEST
    assert (package.contract.schema_version, package.contract.task) == (1, "binary")
    encoded = encode_rows(package.contract.encoding, [row.request for row in package.golden])
    answers = open_graph(package).predict(encoded)
    assert np.abs(answers - outputs_of([row.answer for row in package.golden])).max() <= package.contract.tolerance


def test_what_it_says_is_written_in_the_same_bytes(tmp_path: Path) -> None:
    """Today's code makes the same contract and hold-out of the same table, and writes nothing that is new."""
    before, now = read_package(FOLDER), packaged(tmp_path / "package", small_model(400))
    for name in (CONTRACT, HOLDOUT):
        assert (now.path / name).read_bytes() == (FOLDER / name).read_bytes(), name
    # `training` has gained and lost keys since.
    parts = ("data", "features", "split", "gates", "objectives", "limits")
    assert [now.receipt.spec[part] for part in parts] == [before.receipt.spec[part] for part in parts]
    assert set(now.receipt.metrics) == set(before.receipt.metrics)
    lines = (now.path / GOLDEN).read_text(encoding="utf-8").splitlines()
    assert [line.partition("answer")[0] for line in lines] == [
        line.partition("answer")[0] for line in (FOLDER / GOLDEN).read_text(encoding="utf-8").splitlines()
    ]


def test_it_is_the_champion_of_a_challenger() -> None:
    compared = evaluated(small_model(), champion=read_package(FOLDER)).champion
    assert compared is not None
    assert compared.package == DIGEST
    assert len(compared.shift) == len(read_package(FOLDER).holdout.scores) == 20
    assert compared.doubt == ""


def test_its_spec_is_the_one_of_today() -> None:
    recorded = read_package(FOLDER).receipt.spec
    assert Spec.model_validate({**recorded, "rollout": {}}).data == small_spec().data.model_copy(
        update={"uri": "snapshot"}
    )
