from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import PackageError
from components.features.encoding import encode_rows
from components.package.answers import TOLERANCE
from components.package.bins import bin_of, score_bin
from components.package.model_package import FILES, Contract, open_graph, package_digest, read_package, write_package
from components.spec.contract import SCORE_EDGES
from tests.small_package import golden_rows, logistic_graph, small_contract, word_answer, write_small_package


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    written = write_small_package(tmp_path / "package")
    assert read_package(tmp_path / "package") == written
    assert written.contract == small_contract()
    assert len(written.golden) == 7


def test_the_same_inputs_give_the_same_bytes_anywhere(tmp_path: Path) -> None:
    first, second = (write_small_package(tmp_path / name) for name in ("one", "two"))
    assert first.digest == second.digest
    assert package_digest(first.path) == first.digest


def test_the_digest_is_the_hash_of_the_files_hashes_and_names(tmp_path: Path) -> None:
    package = write_small_package(tmp_path / "package")
    lines = [f"{hashlib.sha256((package.path / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
    assert package.digest == "sha256:" + hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found(tmp_path: Path, name: str) -> None:
    path = write_small_package(tmp_path / "package").path
    changed = bytearray((path / name).read_bytes())
    changed[len(changed) // 2] ^= 1
    (path / name).write_bytes(changed)
    # A change to the receipt breaks its JSON, a digest in it or the package's own digest.
    before = write_small_package(tmp_path / "other").digest
    try:
        assert read_package(path).digest != before
    except PackageError as error:
        assert str(path) in str(error)  # noqa: PT017 -- either outcome is right for the receipt
    else:
        assert name == "receipt.json"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    path = write_small_package(tmp_path / "package").path
    (path / name).unlink()
    with pytest.raises(PackageError, match=f"{name}: is missing"):
        read_package(path)


def test_a_file_too_many_is_named(tmp_path: Path) -> None:
    path = write_small_package(tmp_path / "package").path
    (path / "model.pkl").write_bytes(b"")
    with pytest.raises(PackageError, match=r"model\.pkl: does not belong in a package"):
        read_package(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="nowhere: is not a folder"):
        read_package(tmp_path / "nowhere")


def test_a_package_is_never_overwritten(tmp_path: Path) -> None:
    package = write_small_package(tmp_path / "package")
    with pytest.raises(PackageError, match="stands there already"):
        write_small_package(tmp_path / "package")
    assert read_package(package.path) == package


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    package = write_small_package(tmp_path / "package")
    with pytest.raises(PackageError, match="holds no request"):
        write_package(
            tmp_path / "other",
            model=b"",
            contract=package.contract,
            golden=[],
            holdout=package.holdout,
            receipt=package.receipt,
        )
    assert [entry.name for entry in tmp_path.iterdir()] == ["package"]


def test_a_contract_is_refused_with_anothers_encoding() -> None:
    """A contract is refused if its encoding has other features."""
    document = json.loads(small_contract().model_dump_json())
    document["features"]["late"] = document["features"].pop("tenure")
    with pytest.raises(ValueError, match="its features or their order are not those of the contract"):
        Contract.model_validate_json(json.dumps(document))


def test_the_graph_gives_the_golden_answers(tmp_path: Path) -> None:
    package = write_small_package(tmp_path / "package")
    encoded = encode_rows(package.contract.encoding, [row.request for row in package.golden])
    expected = [word_answer(row).probability for row in package.golden]
    np.testing.assert_allclose(open_graph(package).predict(encoded), expected, atol=TOLERANCE)


def write_with_model(folder: Path, model: bytes) -> None:
    contract = small_contract()
    package = write_small_package(folder / "right")
    write_package(
        folder / "wrong",
        model=model,
        contract=contract,
        golden=golden_rows(contract),
        holdout=package.holdout,
        receipt=package.receipt,
    )


def test_a_graph_that_is_none_is_refused(tmp_path: Path) -> None:
    write_with_model(tmp_path, b"not a graph")
    with pytest.raises(PackageError, match="onnxruntime cannot load it"):
        open_graph(read_package(tmp_path / "wrong"))


def test_a_graph_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(logistic_graph(small_contract().encoding))
    model.graph.node[2].output[0] = "probability"
    del model.graph.node[3]
    shape = model.graph.output[0].type.tensor_type.shape
    shape.dim.add().dim_value = 1
    write_with_model(tmp_path, model.SerializeToString())
    with pytest.raises(PackageError, match=r"expected input float32 \[N, 14\] to probability float32 \[N\]"):
        open_graph(read_package(tmp_path / "wrong"))


def test_a_score_on_an_edge_is_in_the_bin_below() -> None:
    """A score on an edge falls into the bin below, whatever its rounding."""
    assert score_bin([0.0, 0.1, float(np.float32(0.1)), 0.1 + 1e-7, 0.10001, 1.0, 1.0000001]).tolist() == [
        0, 5, 5, 5, 6, 19, 19,
    ]  # fmt: skip


@given(st.floats(0, 1, width=32))
def test_every_score_lies_in_its_bin(score: float) -> None:
    place = bin_of(score)
    assert score_bin([score]).tolist() == [place]
    assert score <= SCORE_EDGES[place] + TOLERANCE
    assert place == 0 or score > SCORE_EDGES[place - 1]
