"""Rows that were answered by a feature's rule, on the metrics page."""

from __future__ import annotations

from dataclasses import replace

from components.package.model_package import Package
from components.spec.contract import CategoryFeature, Feature, NumberFeature
from services.model_server.counters import Counters, Exposition, layout_of

NAME = "canario_adapted_rows_total"


def page(package: Package, features: dict[str, Feature], counted: dict[int, int]) -> list[str]:
    contract = package.contract.model_copy(update={"features": {**package.contract.features, **features}})
    layout = layout_of(contract)
    memory = memoryview(bytearray(layout.bytes))
    counters = Counters(memory, 0.1, layout)
    for place, rows in counted.items():
        counters.adapted(place, rows)
    text = Exposition([memory], replace(package, contract=contract), "small", "1").text().decode()
    return [line for line in text.splitlines() if line.startswith(f"{NAME}{{")]


def test_each_feature_with_a_rule_is_told_from_the_start(package: Package) -> None:
    open_to_more: dict[str, Feature] = {
        "tenure": NumberFeature(type="number", min=0, max=120, outside="clip"),
        "contract": CategoryFeature(type="category", values=("One year", "Two year"), unknown="other"),
    }
    assert page(package, open_to_more, {1: 3}) == [
        f'{NAME}{{feature="tenure",rule="clip",service="small",version="1"}} 0.0',
        f'{NAME}{{feature="contract",rule="other",service="small",version="1"}} 3.0',
    ]


def test_without_a_rule_nothing_is_told(package: Package) -> None:
    assert page(package, {}, {}) == []
