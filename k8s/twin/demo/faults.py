"""The faults of the demo's third version; each is a real difference in training or serving."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import yaml

from components.errors import SpecError
from components.spec.contract import NumberFeature, Spec
from components.table.cells import read_table, table_bytes
from components.table.wording import reading_of
from k8s.twin.demo.sensitivity import MONEY
from k8s.twin.demo.traffic import RATE
from k8s.twin.summary import Ending

Fault = Literal[
    "errors", "slow", "wrong-unit", "worse", "swapped-classes", "under-load", "lossy", "shuffled-labels", "none"
]
FAULTS: tuple[Fault, ...] = get_args(Fault)


#: The faults that settings of the server switch on: what they do, and the settings.
_SETTINGS: Final[dict[Fault, tuple[str, dict[str, str]]]] = {
    "errors": ("5 % of its requests end in an error", {"CANARIO_FAULT_ERROR_RATIO": "0.05"}),
    "slow": ("5 % of its requests miss the objective", {"CANARIO_FAULT_SLOW_RATIO": "0.05"}),
    "worse": (
        "it answers with the scores of other rows, as a cache with a wrong key does",
        {"CANARIO_FAULT_STALE_RATIO": "1"},
    ),
    "swapped-classes": (
        "its classes changed places, as they do where a list of them is sorted anew",
        {"CANARIO_FAULT_SWAPPED_RATIO": "1"},
    ),
    "under-load": (
        "5 % of its requests end in an error as soon as it gets more than a tenth of the traffic",
        {"CANARIO_FAULT_ERROR_RATIO": "0.05", "CANARIO_FAULT_ERROR_ABOVE": f"{0.15 * RATE:g}"},
    ),
    "lossy": (
        "20 % of its requests are lost without an answer, and it counts none of them",
        {"CANARIO_FAULT_LOST_RATIO": "0.2"},
    ),
}


@dataclass(frozen=True)
class ThirdVersion:
    """How the third version differs from the second, and how its story must end."""

    ending: Ending
    explanation: str
    spec: Path
    data: str
    settings: dict[str, str] = field(default_factory=dict)


def third_version(fault: Fault, spec: Spec, feature: str | None, home: Path) -> ThirdVersion:
    """Prepares `fault` in the folder `home`: a changed spec, a changed table or settings of the server.

    Without a canary nobody judges a serving version, so a version that gets that far is promoted despite its fault.

    Args:
        feature: the number that `wrong-unit` reads in hundredths.

    Raises:
        SpecError: the service has no feature, or no classes, that could show this fault.
    """
    home.mkdir(parents=True, exist_ok=True)
    # With the second version's spec and table there would be no third: a run with nothing new registers nothing.
    changed, data = _searched_with(spec, spec.training.seed + 1), spec.data.uri
    settings: dict[str, str] = {}
    ending: Ending = "rolled-back" if spec.rollout.has_canary else "promoted"
    match fault:
        case "none":
            ending, explanation = "promoted", "a third good version, searched with another seed"
        case "shuffled-labels":
            ending, explanation = "refused", f"its labels ({spec.data.target}) were shuffled before training"
            data = str(_shuffle_labels(spec, home / "shuffled.parquet"))
        case "wrong-unit":
            changed, explanation = _in_hundredths(spec, feature)
        case "swapped-classes" if spec.data.task == "regression":
            raise SpecError(
                f"{spec.name} answers numbers and has no classes to swap; choose another FAULT, such as worse"
            )
        case _:
            explanation, settings = _SETTINGS[fault]
    return ThirdVersion(ending, explanation, write_spec(changed, home / "service.yaml"), data, settings)


def write_spec(spec: Spec, path: Path) -> Path:
    """Writes the spec as YAML; returns `path`."""
    document = spec.model_dump(mode="json")
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def _searched_with(spec: Spec, seed: int) -> Spec:
    return spec.model_copy(update={"training": spec.training.model_copy(update={"seed": seed})})


def _shuffle_labels(spec: Spec, path: Path) -> Path:
    table = read_table(spec.data.uri, reading_of(spec))
    shuffled = np.random.default_rng(spec.training.seed).permutation(len(table))
    table[spec.data.target] = table[spec.data.target].to_numpy()[shuffled]
    path.write_bytes(table_bytes(table))
    return path


def _in_hundredths(spec: Spec, feature: str | None) -> tuple[Spec, str]:
    """A spec that wrongly says that the table holds hundredths of the unit that callers send.

    The bounds still admit both the callers' values and the table's, so no offline check sees the mistake.
    """
    before = spec.features[feature] if feature else None
    if feature is None or not isinstance(before, NumberFeature):
        raise SpecError(f"{spec.name} has no number to read in a wrong unit; choose another FAULT, such as worse")
    bounds = {"min": min(before.min, before.min / 100), "max": max(before.max, before.max / 100)}
    after = before.model_copy(update={"factor": before.factor * 100, **bounds})
    explanation = f"the model reads {feature} in {hundredths_of(before)}, and was trained on {before.unit or 'wholes'}"
    return spec.model_copy(update={"features": {**spec.features, feature: after}}), explanation


def hundredths_of(feature: NumberFeature) -> str:
    """The name of a hundredth of a feature's unit."""
    return "cents" if feature.unit in MONEY else f"hundredths of {feature.unit or 'its unit'}"
