from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.package.model_package import Holdout
from components.spec.contract import BRIER_LOSSES
from services import telemetry
from services.judge.evidence.counts import BINS
from services.judge.evidence.exposition import parse_page, read_replica, read_weight
from services.model_server.counters import Counters, Exposition, layout_of
from services.model_server.feedback.grading import WordGrader
from services.telemetry import LABEL_LOSSES
from tests.services.judge.pages import replica_page, weight_page
from tests.small_package import write_small_package


def test_a_replicas_page_is_read_whole() -> None:
    reading = read_replica(parse_page(replica_page(50, errors=2, version="7", champion="sha256:zero")), "churn", 0)
    assert reading is not None
    assert (reading.version, reading.package, reading.champion) == ("7", "sha256:one", "sha256:zero")
    assert (reading.counts.requests, reading.counts.errors, reading.counts.slow) == (50, 2, 0)
    assert reading.counts.slower == (0, 1, 2, 3)
    assert reading.counts.scores is not None
    assert reading.counts.scores[3] == sum(reading.counts.scores) == 48
    assert reading.counts.losses is not None
    assert sum(reading.counts.losses) == pytest.approx(48)
    assert np.dot(reading.counts.losses, LABEL_LOSSES) == pytest.approx(48 * BRIER_LOSSES[2 * 3])
    assert reading.holdout is not None
    assert reading.holdout.shift[0] == 0.01


def test_the_model_servers_own_page_is_read(tmp_path: Path) -> None:
    holdout = Holdout(
        rows=9, champion="sha256:" + "0" * 64, shift=(0.01,) * BINS, shift_error=(0.002,) * BINS, scores=(1,) * BINS
    )
    package = write_small_package(tmp_path / "package", holdout=holdout)
    layout = layout_of(package.contract)
    memory = memoryview(bytearray(layout.bytes))
    counters = Counters(memory, 0.05, layout)
    counters.request(0.01, error=False)
    counters.request(0.09, error=True)
    counters.scores([3])
    counters.labels(WordGrader().grade([3], [True]).cells, 1)
    page = Exposition([memory], package, "churn", "7").text().decode()
    reading = read_replica(parse_page(page), "churn", 0)
    assert reading is not None
    assert (reading.version, reading.package, reading.champion) == ("7", package.digest, holdout.champion)
    assert (reading.counts.requests, reading.counts.errors, reading.counts.slow) == (2, 1, 1)
    assert reading.counts.scores is not None
    assert reading.counts.losses is not None
    assert reading.counts.scores[3] == sum(reading.counts.losses) == 1
    assert np.dot(reading.counts.losses, LABEL_LOSSES) == pytest.approx(BRIER_LOSSES[2 * 3 + 1])
    assert reading.holdout is not None
    assert reading.holdout.shift_error[-1] == 0.002


def test_another_services_page_is_nothing() -> None:
    assert read_replica(parse_page(replica_page(50, service="attrition")), "churn", 0) is None


@pytest.mark.parametrize(
    ("name", "field"),
    [
        (telemetry.ERRORS, "errors"),
        (telemetry.SLOW, "slow"),
        (telemetry.SLOWER, "slower"),
        (f'{telemetry.SLOWER}{{service="churn",version="1",times="4"', "slower"),
        (telemetry.SCORES, "scores"),
        (telemetry.LABELS, "losses"),
    ],
)
def test_a_metric_that_is_not_there_is_missing_and_not_zero(name: str, field: str) -> None:
    reading = read_replica(parse_page(replica_page(50, leave_out=(name,))), "churn", 0)
    assert reading is not None
    assert getattr(reading.counts, field) is None


def test_a_bin_that_was_never_counted_is_zero_where_others_were() -> None:
    page = replica_page(50, leave_out=(f'{telemetry.SCORES}{{service="churn",version="1",bin="5"}}',))
    reading = read_replica(parse_page(page), "churn", 0)
    assert reading is not None
    assert reading.counts.scores is not None
    assert (reading.counts.scores[3], reading.counts.scores[5]) == (50, 0)


def test_a_version_without_a_champion_has_no_hold_out_to_compare() -> None:
    reading = read_replica(parse_page(replica_page(50, champion="")), "churn", 0)
    assert reading is not None
    assert reading.holdout is None


def test_a_hold_out_with_a_bin_missing_is_no_hold_out() -> None:
    name = f'{telemetry.HOLDOUT_SHIFT}{{service="churn",version="1",bin="5"}}'
    reading = read_replica(parse_page(replica_page(50, champion="sha256:zero", leave_out=(name,))), "churn", 0)
    assert reading is not None
    assert reading.holdout is None


def test_the_weight_is_read_as_the_twin_and_as_flagger_names_it() -> None:
    flagger = 'flagger_canary_weight{workload="churn-primary",namespace="a"} 80\n'
    flagger += 'flagger_canary_weight{workload="churn",namespace="a"} 20\n'
    assert read_weight(parse_page(weight_page(30)), "churn") == 30
    assert read_weight(parse_page(flagger), "churn") == 20
    assert read_weight(parse_page(weight_page(30)), "attrition") is None


def test_a_page_in_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_page("<html>not metrics</html>")
