"""The model package: written once, addressed by its digest, checked byte by byte when read.

A package is a folder of exactly five files, or of six:

- `model.onnx`: one input `input`, float32 [N, width of the encoding], one output by the task (see `answers`): for two
  words `probability`, float32 [N]. Shapes are exact: not [N, 1], not [N, 2]; N is dynamic.
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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, ValidationError, model_validator

from components.digest import Digest
from components.errors import PackageError
from components.features.encoding import Encoding, RequestValue
from components.package.answers import (
    ANSWERS,
    OUTPUTS,
    TARGETS,
    TOLERANCE,
    AbsoluteError,
    Answer,
    AnyAnswer,
    AnyBins,
    AnyLoss,
    AnyTarget,
    ClassAnswer,
    ClassBins,
    ClassBrier,
    ClassTarget,
    GraphOutput,
    NumberAnswer,
    NumberTarget,
    Outputs,
    PredictionInterval,
    Target,
    ValueBins,
)
from components.package.bins import Bins, ProbabilityBins, QuantileBins, TopBins
from components.package.population import PerBin, Population
from components.spec.compatibility import AnsweredAs
from components.spec.contract import SCORE_EDGES, ClosedModel, DecisionRule, Feature, Limits, Objectives
from components.spec.tasks import Task

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


def _is_none(value: object) -> bool:
    return value is None


class Contract(ClosedModel):
    """`contract.json`: everything that the server must know about a model."""

    # Schema 1 is that of two words; with anything newer in it a contract is written as schema 2.
    schema_version: Literal[1, 2] = 1
    name: str
    description: str = ""
    features: Annotated[dict[str, Feature], Field(min_length=1)]
    encoding: Encoding
    target: AnyTarget
    limits: Limits = Limits()
    objectives: Objectives = Objectives()
    threshold: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.5)
    decision: DecisionRule | None = Field(default=None, exclude_if=_is_none)
    task: Task = Field(default="binary", exclude_if=lambda task: task == "binary")
    bins: AnyBins | None = Field(default=None, exclude_if=_is_none)
    loss: AnyLoss | None = Field(default=None, exclude_if=_is_none)
    interval: PredictionInterval | None = Field(default=None, exclude_if=_is_none)

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        if list(self.features) != list(self.encoding.features):
            raise ValueError("encoding: its features or their order are not those of the contract")
        return self

    @model_validator(mode="after")
    def _suits_the_task(self) -> Self:
        if self.schema_version != (1 if self.task == "binary" and self.decision is None else 2):
            of = f"task {self.task}{' with a decision' if self.decision else ''}"
            raise ValueError(f"schema_version: {self.schema_version} is not that of {of}")
        if self.decision and self.task != "binary":
            raise ValueError(f"decision: is not that of task {self.task}")
        kinds: dict[Task, tuple[type, ...]] = {
            "binary": (type(None), type(None), type(None)),
            "multiclass": (ClassBins, ClassBrier, type(None)),
            "regression": (ValueBins, AbsoluteError, PredictionInterval),
        }
        named = ("target", "bins", "loss", "interval")
        for name, kind in zip(named, (TARGETS[self.task], *kinds[self.task]), strict=True):
            if not isinstance(getattr(self, name), kind):
                raise ValueError(f"{name}: is not that of task {self.task}")
        return self

    @property
    def words(self) -> Target:
        """The target of task binary, with its two words."""
        if not isinstance(self.target, Target):
            raise TypeError(f"task {self.task} has no positive word")
        return self.target

    @property
    def answered(self) -> AnsweredAs:
        """What its callers get."""
        target = self.target
        if isinstance(target, NumberTarget):
            return AnsweredAs(self.task, unit=target.unit)
        words = target.classes if isinstance(target, ClassTarget) else (target.positive,)
        return AnsweredAs(self.task, words, decides=self.decision is not None)

    @property
    def tolerance(self) -> float:
        """The largest difference between two computations of the same answer: the only place that says it."""
        return self.target.tolerance if isinstance(self.target, NumberTarget) else TOLERANCE

    @cached_property
    def counted(self) -> Bins:
        """The bins in which its answers are counted."""
        if isinstance(self.bins, ValueBins):
            return QuantileBins(self.bins.edges, self.tolerance)
        if isinstance(self.bins, ClassBins) and isinstance(self.target, ClassTarget):
            return TopBins(self.bins.edges, len(self.target.classes))
        return ProbabilityBins()

    def label(self, probability: float) -> str:
        """The word for a probability; a probability equal to the threshold is positive."""
        return self.words.positive if probability >= self.threshold else self.words.negative

    def decides(self, probability: float) -> bool | None:
        """Whether a probability is a yes; None where callers are not told."""
        return None if self.decision is None else probability >= self.threshold

    def answers(self, outputs: Outputs) -> list[AnyAnswer]:
        """The answers to rows for which the graph said this."""
        target = self.target
        if isinstance(target, NumberTarget):
            return [NumberAnswer(value=value) for value in outputs.tolist()]
        if isinstance(target, ClassTarget):
            return [
                ClassAnswer(
                    probabilities=dict(zip(target.classes, row, strict=True)), label=target.classes[int(np.argmax(row))]
                )
                for row in outputs.tolist()
            ]
        return [
            Answer(probability=answer, label=self.label(answer), decision=self.decides(answer))
            for answer in outputs.tolist()
        ]


class Golden(ClosedModel):
    """A request and its required answer, within the contract's tolerance."""

    request: dict[str, RequestValue]
    answer: AnyAnswer


class Holdout(ClosedModel):
    """`holdout.json`: the hold-out's answers by the contract's bins, compared with the champion's.

    `shift` is the share of answers at or below the bin's edge, or with the bin's class, this version's
    minus the champion's on the same rows; `shift_error` is its standard error
    (rows are paired). Without a champion both are zero and unused.
    """

    rows: int = Field(ge=1)
    champion: Digest | None = None
    shift: PerBin = (0.0,) * len(SCORE_EDGES)
    shift_error: PerBin = (0.0,) * len(SCORE_EDGES)
    scores: PerBin

    @model_validator(mode="after")
    def _as_many_bins(self) -> Self:
        if not len(self.shift) == len(self.shift_error) == len(self.scores):
            raise ValueError("shift, shift_error and scores must have one number for each bin")
        return self


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
    _check_answers(package)
    _check_population(package)
    return package


def _check_answers(package: Package) -> None:
    contract = package.contract
    bins = len(contract.counted.names)
    for name, numbers in (
        (HOLDOUT, package.holdout.scores),
        (POPULATION, package.population and package.population.shift),
    ):
        if numbers and len(numbers) != bins:
            raise PackageError(
                f"{package.path / name}: has {len(numbers)} bins, and the contract has {bins}. Package it again."
            )
    for line, row in enumerate(package.golden, 1):
        if not isinstance(row.answer, ANSWERS[contract.task]):
            raise PackageError(f"{package.path / GOLDEN}: line {line} is not an answer of task {contract.task}")


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
    output = OUTPUTS[package.contract.task]
    _check_interface(path, session, package.contract, output)
    return Graph(session, output.name)


def _check_interface(path: Path, session: InferenceSession, contract: Contract, output: GraphOutput) -> None:
    width = contract.encoding.width
    found = [
        [(end.name, end.type, end.shape) for end in ends] for ends in (session.get_inputs(), session.get_outputs())
    ]
    inputs, outputs = found
    matches = (
        [(name, kind, len(shape), shape[-1]) for name, kind, shape in inputs]
        == [(INPUT_NAME, "tensor(float)", 2, width)]
        and [(name, kind, len(shape)) for name, kind, shape in outputs]
        == [(output.name, output.type, output.dimensions)]
        and not isinstance(inputs[0][2][0], int)
    )
    if not matches:
        expected = f"{INPUT_NAME} float32 [N, {width}] to {output.text}"
        raise PackageError(f"{path}: maps {inputs} to {outputs}; expected {expected}. Export it again.")


class Graph:
    """A loaded graph: encoded rows to outputs (see `answers`)."""

    def __init__(self, session: InferenceSession, output: str) -> None:
        self._run, self._names = session.run, [output]

    def predict(self, encoded: NDArray[np.float32]) -> Outputs:
        """float32 [N, width] -> outputs, [N] or [N, classes]."""
        outputs: list[Any] = self._run(self._names, {INPUT_NAME: encoded})
        found: Outputs = outputs[0]
        return found
