"""What steps used, as MLflow shows it: a metric for each number, and tags with what was asked and what was there.

`register` writes it for the steps before it, with the whole run. For itself and the steps after it, it is added later.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Final

from components.models.usage import LATE_STEPS, DeviceUsage, Usage
from components.registry.model_registry import connect

#: MLflow's own patience is minutes, and no number is worth those: with these it gives up within about 40 seconds.
_HURRY: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
}


def usage_metrics(used: Mapping[str, Usage]) -> dict[str, float]:
    """Numbers such as `train_host_memory_peak_mib`; what nothing measured is not there."""
    return {f"{step}_{name}": value for step, usage in used.items() for name, value in usage.numbers().items()}


def usage_tags(used: Mapping[str, Usage]) -> dict[str, str]:
    """What each step asked for and what it used, side by side."""
    tags: dict[str, str] = {}
    for step, usage in used.items():
        tags |= {f"canario.{step}.asked": usage.asked, f"canario.{step}.used": usage.used}
        tags |= {f"canario.{step}.unmeasured": usage.unmeasured} if usage.unmeasured else {}
    return tags


def add_usage(uri: str, run_id: str, used: Mapping[str, Usage]) -> None:
    """Adds what some steps used, by their names, to the version's run in MLflow.

    The first record stays: a step that runs again for the same version changes nothing. The caller's own work is done
    by now, so this raises no error; if it cannot write, it says in a line what is missing and why.
    """
    if not used:
        return
    try:
        with _in_a_hurry():
            _add(uri, run_id, used)
    except Exception as error:  # noqa: BLE001 -- whatever it is, the step has done its work
        said = (str(error) or type(error).__name__).splitlines()[0][:500]
        print(
            f"warning: what {' and '.join(used)} used is not in MLflow, for run {run_id} at {uri} could not be "
            f"written: {said}",
            file=sys.stderr,
            flush=True,
        )


def _add(uri: str, run_id: str, used: Mapping[str, Usage]) -> None:
    from mlflow.entities import Metric, RunTag

    client, now = connect(uri), int(time.time() * 1000)
    known = client.get_run(run_id).data.metrics
    new = {step: usage for step, usage in used.items() if not usage_metrics({step: usage}).keys() & known.keys()}
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, now, 0) for name, value in usage_metrics(new).items()],
        tags=[RunTag(name, value) for name, value in usage_tags(new).items()],
    )


@contextlib.contextmanager
def _in_a_hurry() -> Iterator[None]:
    """Lets MLflow's client give up early; it reads its settings at each request."""
    before = {name: os.environ.get(name) for name in _HURRY}
    os.environ.update(_HURRY)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def late_usage(metrics: Mapping[str, float]) -> dict[str, Usage]:
    """What the steps used whose use is added later, from the metrics of a run; they ask for no accelerator."""
    return {
        step: Usage(
            accelerator="cpu",
            count=0,
            devices=DeviceUsage(),
            memory_peak_mib=metrics[f"{step}_host_memory_peak_mib"],
            cpu_seconds=metrics[f"{step}_cpu_seconds"],
            seconds=metrics[f"{step}_seconds"],
        )
        for step in LATE_STEPS
        if f"{step}_seconds" in metrics
    }
