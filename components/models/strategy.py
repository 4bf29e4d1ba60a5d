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
from typing import Any

from components.errors import SpecError
from components.spec.contract import Strategy


def choose_strategy(asked: Strategy, accelerator: str, gpus: int, environ: Mapping[str, str]) -> Strategy:
    """The strategy for a spec on this machine; never `auto`.

    Raises:
        SpecError: the strategy that the spec names cannot run here.
    """
    cluster = _cluster(environ)
    chosen = _fitting(accelerator, gpus, cluster) if asked == "auto" else asked
    _refuse_impossible(chosen, cluster)
    return chosen


def _fitting(accelerator: str, gpus: int, cluster: Mapping[str, Any]) -> Strategy:
    if accelerator == "tpu":
        return "tpu"
    if len(cluster.get("worker", ())) > 1:
        return "multi_worker_mirrored"
    return "mirrored" if gpus > 1 else "none"


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
        SpecError: this machine does not have the device.
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
    return _tpu(tf)


def _tpu(tf: Any) -> Any:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise SpecError(
            f"training.accelerator: tpu was asked for, and this machine has none ({_first_line(error)}); "
            "run on a TPU node pool, or use cpu or gpu"
        ) from error
    return tf.distribute.TPUStrategy(resolver)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
