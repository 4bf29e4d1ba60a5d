"""Chooses the `tf.distribute` strategy that trains a Keras model, by the device.

| strategy | when `auto` takes it |
| --- | --- |
| tpu | the spec's accelerator is `tpu` |
| multi_worker_mirrored | `TF_CONFIG` names more than one worker |
| mirrored | this machine has more than one GPU |
| none | otherwise |

Central storage (variables on the CPU, computation on each GPU) is used only if the spec names it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from components.errors import SpecError
from components.models.devices import claim_devices, tpu_resolver
from components.spec.contract import Strategy, Training


def choose_strategy(asked: Strategy, accelerator: str, gpus: int, environ: Mapping[str, str]) -> Strategy:
    """The strategy for a spec on this machine; never `auto`.

    Raises:
        SpecError: the strategy that the spec names cannot run here.
    """
    cluster = _cluster(environ)
    chosen = _fitting(accelerator, gpus, cluster) if asked == "auto" else asked
    _refuse_impossible(chosen, cluster)
    return chosen


def training_strategy(training: Training, environ: Mapping[str, str]) -> Strategy:
    """The strategy of a network that is fitted to all rows, on the devices that the spec asks for.

    Raises:
        DeviceError: fewer devices are seen than the spec asks for.
        SpecError: the strategy that the spec names cannot run here.
    """
    return choose_strategy(training.strategy, training.accelerator, len(claim_devices(training)), environ)


def search_strategy(training: Training) -> Strategy:
    """The strategy of the networks that a search tries: one process tries them, on the devices of the spec.

    Raises:
        DeviceError: fewer devices are seen than the spec asks for.
    """
    asked = training.strategy if training.strategy in _ALONE else "auto"
    return choose_strategy(asked, training.accelerator, len(claim_devices(training)), {})


def _fitting(accelerator: str, gpus: int, cluster: Mapping[str, Any]) -> Strategy:
    if accelerator == "tpu":
        return "tpu"
    if len(cluster.get("worker", ())) > 1:
        return "multi_worker_mirrored"
    return "mirrored" if gpus > 1 else "none"


#: The strategies of one process.
_ALONE: Final = ("none", "mirrored", "central_storage", "tpu")


def _refuse_impossible(chosen: Strategy, cluster: Mapping[str, Any]) -> None:
    if chosen == "multi_worker_mirrored" and not cluster.get("worker"):
        raise SpecError(
            f"training.strategy: {chosen} needs TF_CONFIG with a 'worker' list in its cluster, and there is none; "
            "write training.workers: 2 or more, or use another strategy"
        )


def _cluster(environ: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        cluster = json.loads(environ.get("TF_CONFIG") or "{}").get("cluster", {})
    except (ValueError, AttributeError) as error:
        raise SpecError(f"TF_CONFIG is not a JSON object with a cluster: {error}") from error
    return dict(cluster)


def open_strategy(chosen: Strategy) -> Any:
    """The `tf.distribute` strategy; the default one for `none`.

    Raises:
        DeviceError: this machine does not have the device.
    """
    import tensorflow as tf

    if chosen == "none":
        return tf.distribute.get_strategy()
    if chosen == "mirrored":
        return tf.distribute.MirroredStrategy()
    if chosen == "multi_worker_mirrored":
        return tf.distribute.MultiWorkerMirroredStrategy()
    if chosen == "central_storage":
        return tf.distribute.experimental.CentralStorageStrategy()
    return tf.distribute.TPUStrategy(tpu_resolver(tf))
