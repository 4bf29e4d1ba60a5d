"""Claims the devices that a spec asks for. A step that was promised an accelerator and sees none fails here.

TensorFlow itself falls back to the CPU in silence, for want of a device or of the libraries that speak to it.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from components.errors import DeviceError
from components.models.nvidia import Driver, open_driver
from components.models.tensorflow_environment import tensorflow_environment
from components.spec.contract import Training


def claim_devices(training: Training) -> tuple[str, ...]:
    """The names of the accelerators on which TensorFlow computes in this process from now on; none for cpu.

    Raises:
        DeviceError: fewer are seen than the spec asks for.
    """
    return _claim(training.accelerator, training.accelerator_count)


@cache
def _claim(accelerator: str, count: int) -> tuple[str, ...]:
    os.environ.update(tensorflow_environment())
    import tensorflow as tf

    if accelerator == "tpu":
        return claim_tpus(tf, count)
    with open_driver() as driver:
        return claim_gpus(tf.config, count if accelerator == "gpu" else 0, driver)


def claim_gpus(config: Any, count: int, driver: Driver) -> tuple[str, ...]:
    """Shows TensorFlow the first `count` GPUs and hides the others; `config` is TensorFlow's own.

    Each takes memory as it needs it; by default TensorFlow takes all, which leaves nothing to measure.

    Raises:
        DeviceError: fewer GPUs are seen.
    """
    seen = config.list_physical_devices("GPU")
    if len(seen) < count:
        raise DeviceError(
            f"training.accelerator: gpu x {count} was promised to this step, and TensorFlow sees {len(seen)} here: "
            f"{_missing_gpus(driver)}; or set training.accelerator to cpu"
        )
    mine = seen[:count]
    if seen:
        config.set_visible_devices(mine, "GPU")
    for gpu in mine:
        config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003 -- TensorFlow's own parameter
    return tuple(config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in mine)


def _missing_gpus(driver: Driver) -> str:
    if driver.names:
        return (
            f"the driver shows {len(driver.names)} ({', '.join(driver.names)}), and where TensorFlow sees fewer, it "
            "lacks its CUDA libraries; run the step on the image components-cuda and on nodes with as many GPUs"
        )
    return f"{driver.reason}; run the step on a node pool with GPUs"


def claim_tpus(tf: Any, count: int) -> tuple[str, ...]:
    """The names of the TPU cores of this machine.

    Raises:
        DeviceError: fewer are seen than `count`.
    """
    tpu_resolver(tf)
    seen = [device.name for device in tf.config.list_logical_devices("TPU")]
    if len(seen) < count:
        raise DeviceError(
            f"training.accelerator: tpu x {count} was promised to this step, and TensorFlow sees {len(seen)} here; "
            "run the step on nodes with as many chips, or set training.accelerator_count lower"
        )
    return tuple(seen)


@cache
def tpu_resolver(tf: Any) -> Any:
    """The TPU system of this machine, made ready once: making it ready again would drop what is on it.

    Raises:
        DeviceError: there is none.
    """
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        said = " ".join(str(error).split())[:300]
        raise DeviceError(
            f"training.accelerator: tpu was promised to this step, and this machine has none ({said}); run the step on "
            "a TPU node pool and the image components-tpu, or set training.accelerator to cpu"
        ) from error
    return resolver
