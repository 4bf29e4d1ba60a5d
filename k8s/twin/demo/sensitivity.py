"""Finds the number on which a model depends most: its wrong unit shows best what goes wrong."""

from __future__ import annotations

import numpy as np

from components.features.encoding import encode_table
from components.package.model_package import Package, open_graph
from components.spec.contract import NumberFeature, Spec
from components.table.examples import Examples

#: Units of money; a hundredth of each is a cent.
MONEY = frozenset({"USD", "EUR", "AUD", "CAD"})


def most_moving_number(package: Package, spec: Spec, examples: Examples) -> str | None:
    """The number that moves the scores of `examples` most when multiplied by 100; None without numbers.

    Amounts of money take precedence: everybody has seen a mix-up with cents.
    """
    numbers = [name for name, feature in spec.features.items() if isinstance(feature, NumberFeature)]
    money = [name for name in numbers if getattr(spec.features[name], "unit", None) in MONEY]
    encoding, graph = package.contract.encoding, open_graph(package)
    before = graph.predict(encode_table(encoding, examples.columns))

    def moved(name: str) -> float:
        misread = {**examples.columns, name: examples.columns[name] * 100}
        return float(np.abs(graph.predict(encode_table(encoding, misread)) - before).mean())

    return max(money or numbers, key=moved, default=None)
