"""The model package: written once, addressed by its digest, checked byte by byte when read.

A package is a folder of exactly five files, or of six:

- `model.onnx`: one input `input`, float32 [N, width of the encoding], one output `probability`, float32 [N]:
  the probability of the positive class. Shapes are exact: not [N, 1], not [N, 2]; N is dynamic.
- `contract.json`: the values that callers may send, and their encoding.
- `golden.jsonl`: requests with their answers, one per line, in the callers' unit.
- `holdout.json`: this version's scores on the hold-out, compared with the champion of that time.
- `population.json`, only where there was a champion: the hold-out by bins of its features (see `population`).
- `receipt.json`: the sources of the package, and the SHA-256 of the other files.

A package contains no pickles and no times, so the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, JsonValue, ValidationError, model_validator

from components.digest import Digest
from components.errors import PackageError
from components.features.encoding import Encoding, RequestValue
from components.package.population import PerBin, Population
from components.spec.contract import SCORE_EDGES, ClosedModel, Feature, Limits, Objectives

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL: Final = "model.onnx"
CONTRACT: Final = "contract.json"
GOLDEN: Final = "golden.jsonl"
HOLDOUT: Final = "holdout.json"
POPULATION: Final = "population.json"
RECEIPT: Final = "receipt.json"
FILES: Final = (MODEL, CONTRACT, GOLDEN, HOLDOUT, RECEIPT)
#: Files that a package may lack: those made before had none, and keep their digest.
OPTIONAL: Final = (POPULATION,)

INPUT_NAME: Final = "input"
OUTPUT_NAME: Final = "probability"

#: The largest difference between two computations of the same probability.
TOLERANCE: Final = 1e-6

#: Upper edges of the score bins for comparisons, with a tolerance: converters differ
#: in the last digits, and a forest's scores lie exactly on edges such as 0.1.
BIN_EDGES: Final = tuple(edge + TOLERANCE for edge in SCORE_EDGES)

Probability = Annotated[float, Field(ge=0, le=1)]


class Target(ClosedModel):
    """The answer's name and its two words, as `label` spells them."""

    name: str
    positive: str
    negative: str


class Contract(ClosedModel):
    """`contract.json`: everything that the server must know about a model."""

    schema_version: Literal[1] = 1
    name: str
    description: str = ""
    features: Annotated[dict[str, Feature], Field(min_length=1)]
    encoding: Encoding
    target: Target
    limits: Limits = Limits()
    objectives: Objectives = Objectives()
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        if list(self.features) != list(self.encoding.features):
            raise ValueError("encoding: its features or their order are not those of the contract")
        return self

    def label(self, probability: float) -> str:
        """The word for a probability; a probability equal to the threshold is positive."""
        return self.target.positive if probability >= self.threshold else self.target.negative


class Answer(ClosedModel):
    """The model's answer to one row."""

    probability: Probability
    label: str


class Golden(ClosedModel):
    """A request and its required answer, within `TOLERANCE`."""

    request: dict[str, RequestValue]
    answer: Answer


class Holdout(ClosedModel):
    """`holdout.json`: the hold-out's scores by bin of `SCORE_EDGES`, compared with the champion's.

    `shift` is the share of scores at or below the bin's edge, this version's
    minus the champion's on the same rows; `shift_error` is its standard error
    (rows are paired). Without a champion both are zero and unused.
    """

    rows: int = Field(ge=1)
    champion: Digest | None = None
    shift: PerBin = (0.0,) * len(SCORE_EDGES)
    shift_error: PerBin = (0.0,) * len(SCORE_EDGES)
    scores: PerBin


class Receipt(ClosedModel):
    """`receipt.json`: the sources of the package."""

    schema_version: Literal[1] = 1
    name: str
    data: Digest = Field(description="Digest of the data snapshot.")
    code: str = Field(description="Commit of the code that trained the model.")
    lock: Digest = Field(description="Digest of the lock file.")
    spec: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="The spec, without the table's location and decisions after packaging.",
    )
    candidate: str
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    champion: Digest | None = Field(default=None, description="Package of the champion it was compared with.")
    run: str = Field(description="Name of the training run.")
    tolerance: float = Field(
        default=TOLERANCE, gt=0, description="Largest difference of a rebuilt model's golden answers."
    )
    files: dict[str, Digest] = Field(
        default_factory=dict, description="SHA-256 of each other file; `write_package` fills it in."
    )


@dataclass(frozen=True, slots=True)
class Package:
    """A package in which every byte was checked."""

    path: Path
    digest: str
    contract: Contract
    golden: tuple[Golden, ...]
    holdout: Holdout
    receipt: Receipt
    population: Population | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files."""
        return FILES if self.population is None else (*FILES, POPULATION)


def write_package(
    folder: Path,
    *,
    model: bytes,
    contract: Contract,
    golden: Sequence[Golden],
    holdout: Holdout,
    receipt: Receipt,
    population: Population | None = None,
) -> Package:
    """Writes a package next to `folder` and then renames it, so that `folder` is never half-written.

    Raises:
        PackageError: `folder` exists already, or the package cannot be read back.
    """
    if folder.exists():
        raise PackageError(f"{folder}: stands there already; a package is never changed, so choose another folder")
    contents = {
        MODEL: model,
        CONTRACT: _json(contract),
        GOLDEN: "".join(row.model_dump_json() + "\n" for row in golden).encode(),
        HOLDOUT: _json(holdout),
    }
    if population is not None:
        contents[POPULATION] = _json(population)
    files = {name: _sha256(content) for name, content in contents.items()}
    contents[RECEIPT] = _json(receipt.model_copy(update={"files": files}))
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in contents.items():
            (draft / name).write_bytes(content)
        draft.chmod(0o755)
        read_package(draft)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return read_package(folder)


def read_package(path: Path) -> Package:
    """The package in a folder.

    Raises:
        PackageError: a file is missing, unexpected, changed or invalid; names the file.
    """
    contents = _read_files(path)
    receipt = _parse(Receipt, contents[RECEIPT], path / RECEIPT)
    for name in sorted(contents.keys() | receipt.files.keys()):
        if name != RECEIPT and receipt.files.get(name) != _sha256(contents.get(name, b"")):
            raise PackageError(f"{path / name}: was changed: its digest is not the one in {RECEIPT}. Package it again.")
    lines = contents[GOLDEN].splitlines()
    if not lines:
        raise PackageError(f"{path / GOLDEN}: holds no request; a package needs some to prove itself with")
    package = Package(
        path=path,
        digest=_digest_of(contents),
        contract=_parse(Contract, contents[CONTRACT], path / CONTRACT),
        golden=tuple(_parse(Golden, line, path / GOLDEN) for line in lines),
        holdout=_parse(Holdout, contents[HOLDOUT], path / HOLDOUT),
        receipt=receipt,
        population=_parse(Population, contents[POPULATION], path / POPULATION) if POPULATION in contents else None,
    )
    _check_population(package)
    return package


def _check_population(package: Package) -> None:
    known = package.population
    if known is None:
        return
    if known.champion != package.holdout.champion:
        raise PackageError(f"{package.path / POPULATION}: is about another champion than {HOLDOUT}. Package it again.")
    for name, counted in known.features.items():
        feature = package.contract.features.get(name)
        if feature is None or feature.type != counted.bins.kind:
            kind = counted.bins.kind
            raise PackageError(
                f"{package.path / POPULATION}: {name!r} is no {kind} feature of the contract. Package it again."
            )


def package_digest(path: Path) -> str:
    """The digest of a package: "sha256:" and the hash of its files' hashes and names.

    Raises:
        PackageError: a file is missing or unexpected.
    """
    return _digest_of(_read_files(path))


def _read_files(path: Path) -> dict[str, bytes]:
    if not path.is_dir():
        raise PackageError(f"{path}: is not a folder; a package is one with {', '.join(FILES)}")
    found = {entry.name for entry in path.iterdir()}
    for name in FILES:
        if name not in found:
            raise PackageError(f"{path / name}: is missing. Package the model again.")
    for name in sorted(found - {*FILES, *OPTIONAL}):
        raise PackageError(f"{path / name}: does not belong in a package; remove it")
    return {name: (path / name).read_bytes() for name in (*FILES, *OPTIONAL) if name in found}


def _digest_of(contents: dict[str, bytes]) -> str:
    return digest_of_hashes({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})


def digest_of_hashes(hashes: Mapping[str, str]) -> str:
    """The digest of the package whose files have these hashes; file name -> SHA-256 in hexadecimal."""
    return _sha256("".join(sorted(f"{digest}  {name}\n" for name, digest in hashes.items())).encode())


def _sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(model: ClosedModel) -> bytes:
    return (json.dumps(model.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n").encode()


_Model = TypeVar("_Model", bound=ClosedModel)


def _parse(model: type[_Model], content: bytes, path: Path) -> _Model:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise PackageError(f"{path}: {place}: {fault['msg']}. Package the model again.") from error


def score_bin(probabilities: ArrayLike) -> NDArray[np.intp]:
    """For each score, the index into `SCORE_EDGES` of the first edge not below it, within `TOLERANCE`."""
    return np.searchsorted(BIN_EDGES, np.minimum(np.asarray(probabilities, dtype=np.float64), 1.0), side="left")


def bin_of(probability: float) -> int:
    """A faster `score_bin` for one score."""
    return bisect_left(BIN_EDGES, probability)


def open_graph(package: Package) -> Graph:
    """The package's graph on one thread, with onnxruntime's telemetry off.

    Raises:
        PackageError: onnxruntime cannot load the graph, or its input or output is not as described above.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    path = package.path / MODEL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise PackageError(f"{path}: onnxruntime cannot load it: {error}") from error
    _check_interface(path, session, package.contract.encoding.width)
    return Graph(session)


def _check_interface(path: Path, session: InferenceSession, width: int) -> None:
    found = [
        [(end.name, end.type, end.shape) for end in ends] for ends in (session.get_inputs(), session.get_outputs())
    ]
    inputs, outputs = found
    matches = (
        [(name, kind, len(shape), shape[-1]) for name, kind, shape in inputs]
        == [(INPUT_NAME, "tensor(float)", 2, width)]
        and [(name, kind, len(shape)) for name, kind, shape in outputs] == [(OUTPUT_NAME, "tensor(float)", 1)]
        and not isinstance(inputs[0][2][0], int)
    )
    if not matches:
        expected = f"{INPUT_NAME} float32 [N, {width}] to {OUTPUT_NAME} float32 [N]"
        raise PackageError(f"{path}: maps {inputs} to {outputs}; expected {expected}. Export it again.")


class Graph:
    """A loaded graph: encoded rows to probabilities."""

    def __init__(self, session: InferenceSession) -> None:
        self._run = session.run

    def probabilities(self, encoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [N, width] -> probability of the positive class, float32 [N]."""
        outputs: list[Any] = self._run([OUTPUT_NAME], {INPUT_NAME: encoded})
        probabilities: NDArray[np.float32] = outputs[0]
        return probabilities
