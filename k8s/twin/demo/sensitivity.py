"""Which number a model depends on most: the one whose wrong unit a person would want to be shown."""

from __future__ import annotations

import numpy as np

from components.features.encoding import encode_table
from components.package.model_package import Package, open_graph
from components.spec.contract import NumberFeature, Spec
from components.table.examples import Examples

#: Units of money, of which a hundredth is a cent.
MONEY = frozenset({"USD", "EUR", "AUD", "CAD"})


def most_moving_number(package: Package, spec: Spec, examples: Examples) -> str | None:
    """The number that moves the scores of `examples` most when the model is given hundredths; None without numbers.

    Amounts of money come first: a mix-up with cents is the one that everybody has seen.
    """
    numbers = [name for name, feature in spec.features.items() if isinstance(feature, NumberFeature)]
    money = [name for name in numbers if getattr(spec.features[name], "unit", None) in MONEY]
    encoding, graph = package.contract.encoding, open_graph(package)
    before = graph.probabilities(encode_table(encoding, examples.columns))

    def moved(name: str) -> float:
        misread = {**examples.columns, name: examples.columns[name] * 100}
        return float(np.abs(graph.probabilities(encode_table(encoding, misread)) - before).mean())

    return max(money or numbers, key=moved, default=None)
