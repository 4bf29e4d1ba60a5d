from __future__ import annotations

import pytest

from components.spec.contract import DateFeature, NumberFeature, Spec
from components.spec.views import learning_view, recorded_spec, table_bounds, table_view
from tests.components.small_table import DOCUMENT, small_spec


@pytest.mark.parametrize(("factor", "bounds"), [(1.0, (2.0, 10.0)), (0.01, (0.02, 0.1)), (-1.0, (-10.0, -2.0))])
def test_bounds_are_in_the_tables_unit(factor: float, bounds: tuple[float, float]) -> None:
    assert table_bounds(NumberFeature(type="number", min=2, max=10, factor=factor)) == pytest.approx(bounds)


def test_bounds_of_a_date_are_days() -> None:
    feature = DateFeature.model_validate({"type": "date", "min": "1970-01-02", "max": "1970-01-03T12:00:00"})
    assert table_bounds(feature) == (1.0, 2.5)


def spend(**changes: object) -> Spec:
    features = {**DOCUMENT["features"], "spend": {**DOCUMENT["features"]["spend"], **changes}}
    return small_spec(features=features)


def test_what_callers_send_does_not_change_the_tables_view() -> None:
    cents, dollars = spend(), spend(unit="USD", max=500, factor=1)
    assert cents != dollars
    assert table_view(cents) == table_view(dollars)
    assert table_view(spend(max=15000, factor=0.01)) == table_view(spend(unit="USD", max=150, factor=1))


def test_what_the_table_may_hold_changes_its_view() -> None:
    assert table_view(spend(max=40000)) != table_view(spend())
    assert table_view(spend(missing="allowed")) != table_view(spend())


def test_where_the_table_lies_does_not_change_its_view() -> None:
    moved = small_spec(data={**DOCUMENT["data"], "uri": "s3://elsewhere/t.csv", "source": "elsewhere"})
    assert table_view(moved) == table_view(small_spec())


def test_a_view_is_a_view_of_itself() -> None:
    assert table_view(table_view(small_spec())) == table_view(small_spec())


def test_what_training_does_not_read_trains_nothing_anew() -> None:
    asked = {"gates": {"roc_auc": {"min": 0.6}}, "objectives": {"latency_p99_ms": 9}, "scale": {"min": 3, "max": 4}}
    assert learning_view(small_spec(**asked)) == learning_view(small_spec())
    assert learning_view(spend(max=40000, factor=100)) == learning_view(spend())


def test_what_a_step_may_use_is_in_no_view_and_no_receipt() -> None:
    given = small_spec(resources={"train": {"requests": {"cpu": "2"}}})
    for view in (table_view, learning_view, recorded_spec):
        assert view(given) == view(small_spec())


def test_what_training_reads_trains_anew() -> None:
    assert learning_view(small_spec(training={"seed": 8})) != learning_view(small_spec())
    assert learning_view(small_spec(split={"holdout": 0.3})) != learning_view(small_spec())
    assert learning_view(spend(missing="allowed")) != learning_view(spend())
