"""The image of the steps for each device: built from its lock file, and imported on the CPU.

Each is removed before the next. That of CUDA has 7.8 GB, and buildah needs 35 GB or more of free disk to build it.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from components.code import ROOT, lock_digest
from components.table.cells import table_bytes
from k8s.replay.libraries import locked
from services.image.engine import Engine, find_engine
from services.image.errors import EngineError
from services.image.program import PROGRAMS, PlatformProgram, program_image
from services.image.recipe import base_image, fetch_base
from tests.components.small_table import small_examples, small_spec

pytestmark = [pytest.mark.images, pytest.mark.timeout(5400)]

#: What a process of the image says: its packages, TensorFlow's version and devices, and the lock file it names.
_PROGRAM = """
import json, os
from importlib.metadata import distributions
from components.models.tensorflow_environment import tensorflow_environment
os.environ.update(tensorflow_environment())
import tensorflow as tf
from components.code import lock_digest
print(json.dumps({
    "packages": {one.metadata["Name"]: one.version for one in distributions()},
    "tensorflow": tf.__version__,
    "devices": [device.device_type for device in tf.config.list_physical_devices()],
    "lock": lock_digest(),
}))
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    try:
        engine = find_engine(tmp_path_factory.mktemp("logs") / "engine.log")
    except EngineError as error:
        pytest.skip(str(error))
    fetch_base(engine, base_image(None))
    return engine


#: The step tune as Kubeflow calls it, on a table in the container's own store.
_STEP = """
import base64, os, sys
os.environ["_KFP_RUNTIME"] = "true"
from components.code import code_digest
from components.spec.contract import Spec
from components.store.content import Kind, Store
from components.store.reading import keep_spec
from components.tune import tune
store = Store("/tmp/store")
spec = keep_spec(store, Spec.model_validate_json(sys.argv[1]))
rows = store.put(Kind.OBJECT, base64.b64decode(sys.argv[2]))
tune(spec=spec, train=rows, store="/tmp/store", code=code_digest())
"""
_ROWS = 300
#: What a step says that was promised an accelerator and sees none.
_REFUSED = {
    "gpu": r"training.accelerator: gpu x 1 was promised to this step, and TensorFlow sees 0 here: .*; .* to cpu",
    "tpu": r"training.accelerator: tpu was promised to this step, and this machine has none .* to cpu",
}


@dataclass(frozen=True)
class Built:
    """An image in the engine's store."""

    engine: Engine
    program: PlatformProgram
    name: str

    def run(self, program: str, *arguments: str) -> list[str]:
        """The lines of a program in Python in a container."""
        return self.engine.run(self.name, ("python", "-c", program, *arguments)).strip().splitlines()


@pytest.fixture(scope="module", params=[name for name in PROGRAMS if name.startswith("components")])
def built(engine: Engine, request: pytest.FixtureRequest) -> Iterator[Built]:
    program = PROGRAMS[request.param]
    name = f"localhost/canario-test-{os.getpid()}/{request.param}"
    image = program_image(program, name, base_image(None), engine, print)
    made = Built(engine, program, f"{image.name}:{image.tag}")
    yield made
    engine.remove(made.name)


def test_the_image_has_its_lock_and_imports_tensorflow(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.loads(built.run(_PROGRAM)[-1])
    wanted = locked(Path(ROOT, built.program.lock))
    assert {canonicalize_name(package): version for package, version in said["packages"].items()} == wanted
    assert said["tensorflow"] == wanted.get("tensorflow", wanted.get("tensorflow-tpu"))
    # The library of TPUs shows its system also where there is no TPU.
    assert set(said["devices"]) - {"TPU_SYSTEM"} == {"CPU"}
    monkeypatch.setenv("CANARIO_LOCK", built.program.lock)
    assert said["lock"] == lock_digest()


def step_arguments(accelerator: str) -> tuple[str, str]:
    """A spec that promises a device, and a table."""
    training: dict[str, Any] = {"candidates": ["keras_mlp"], "trials": 1, "folds": 2, "accelerator": accelerator}
    spec = small_spec(training=training)
    table = base64.b64encode(table_bytes(small_examples(_ROWS, spec).frame)).decode()
    return spec.model_dump_json(), table


def test_a_step_of_the_image_computes_on_the_cpu(built: Built) -> None:
    said = "\n".join(built.run(_STEP, *step_arguments("cpu")))
    assert "keras_mlp" in said


@pytest.mark.parametrize("accelerator", list(_REFUSED))
def test_a_step_of_the_image_without_its_device_fails(built: Built, accelerator: str) -> None:
    with pytest.raises(EngineError) as raised:
        built.run(_STEP, *step_arguments(accelerator))
    assert re.search(_REFUSED[accelerator], str(raised.value), re.DOTALL), str(raised.value)
