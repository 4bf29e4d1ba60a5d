"""A step that was promised an accelerator sees it, or fails with a sentence that names what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from components.errors import DeviceError
from components.models.devices import claim_devices, claim_gpus
from components.models.nvidia import Driver, open_driver
from components.models.spaces import combinations
from components.models.training import train_candidate
from components.models.trials import Trial
from components.spec.contract import Training
from components.tune import search
from tests.components.small_table import small_examples, small_spec


@dataclass
class Gpu:
    name: str
    model: str


@dataclass
class Config:
    """TensorFlow's `tf.config` on a machine with GPUs: the five calls that claiming them needs."""

    gpus: list[Gpu]
    visible: list[Gpu] | None = None
    growing: list[Gpu] = field(default_factory=list)

    @property
    def experimental(self) -> Config:
        return self

    def list_physical_devices(self, kind: str) -> list[Gpu]:
        assert kind == "GPU"
        return self.gpus

    def set_visible_devices(self, devices: list[Gpu], kind: str) -> None:
        assert kind == "GPU"
        self.visible = devices

    def set_memory_growth(self, gpu: Gpu, enable: bool) -> None:
        self.growing += [gpu] if enable else []

    def get_device_details(self, gpu: Gpu) -> dict[str, Any]:
        return {"device_name": gpu.model}


GPUS = [Gpu("/physical_device:GPU:0", "NVIDIA L4"), Gpu("/physical_device:GPU:1", "NVIDIA L4")]
NO_DRIVER = Driver((), "no NVIDIA driver answers (NVML Shared Library Not Found)")


def test_the_gpus_that_were_asked_for_are_claimed_and_no_other() -> None:
    config = Config(GPUS)
    assert claim_gpus(config, 1, NO_DRIVER) == ("NVIDIA L4",)
    assert config.visible == config.growing == GPUS[:1]
    assert claim_gpus(config, 2, NO_DRIVER) == ("NVIDIA L4", "NVIDIA L4")


def test_a_gpu_that_was_not_asked_for_is_hidden() -> None:
    config = Config(GPUS)
    assert claim_gpus(config, 0, NO_DRIVER) == ()
    assert (config.visible, config.growing) == ([], [])


def test_too_few_gpus_are_refused_with_the_cause() -> None:
    with pytest.raises(DeviceError, match=r"gpu x 4 was promised to this step, and TensorFlow sees 2 here: no NVIDIA"):
        claim_gpus(Config(GPUS), 4, NO_DRIVER)
    lacking = r"sees 0 here: the driver shows 1 \(NVIDIA L4\), and .* lacks its CUDA libraries; .*components-cuda"
    with pytest.raises(DeviceError, match=lacking):
        claim_gpus(Config([]), 1, Driver(("NVIDIA L4",)))


def test_nothing_is_claimed_for_the_cpu() -> None:
    assert claim_devices(Training()) == ()


def asked(accelerator: str, *candidates: str, **training: Any) -> Any:
    made = {"candidates": list(candidates), "accelerator": accelerator, "trials": 2, "folds": 2}
    return small_spec(training={**made, **training})


def networks_first() -> Trial:
    parameters = combinations("keras_mlp")[0]
    return Trial(number=0, candidate="keras_mlp", parameters=parameters, scores=(0.5,), seconds=0.0)


def refused(accelerator: str) -> re.Pattern[str]:
    """The sentence of this machine, which has neither a GPU nor a TPU."""
    return re.compile(f"training.accelerator: {accelerator}.* was promised to this step, .*; .*to cpu")


@pytest.fixture
def _no_gpu() -> None:
    with open_driver() as driver:
        if driver.names:
            pytest.skip(f"this machine has {driver.names}")


@pytest.mark.slow
@pytest.mark.usefixtures("_no_gpu")
@pytest.mark.parametrize("accelerator", ["gpu", "tpu"])
def test_a_step_without_its_accelerator_fails(accelerator: str) -> None:
    spec = asked(accelerator, "keras_mlp")
    with pytest.raises(DeviceError, match=refused(accelerator)):
        train_candidate(small_examples(300), spec, networks_first())
    with pytest.raises(DeviceError, match=refused(accelerator)):
        search(small_examples(300), spec)
    with pytest.raises(DeviceError, match=refused(accelerator)):
        search(small_examples(300), asked(accelerator, "keras_mlp", search="optuna"))


@pytest.mark.slow
@pytest.mark.usefixtures("_no_gpu")
def test_a_search_fails_before_its_first_trial(capfd: pytest.CaptureFixture[str]) -> None:
    """Without the accelerator a search fails before it tries the candidates that need none."""
    with pytest.raises(DeviceError, match=refused("gpu")):
        search(small_examples(300), asked("gpu", "logistic_regression", "keras_mlp"))
    assert "trial" not in capfd.readouterr().out


@pytest.mark.usefixtures("_no_gpu")
def test_the_winner_of_the_search_does_not_matter() -> None:
    """A step that was promised a GPU fails without one, also if the candidate computes on the CPU."""
    spec = asked("gpu", "logistic_regression", "keras_mlp")
    trial = Trial(number=0, candidate="logistic_regression", parameters={"C": 1.0}, scores=(0.5,), seconds=0.0)
    with pytest.raises(DeviceError, match=refused("gpu")):
        train_candidate(small_examples(300), spec, trial)
