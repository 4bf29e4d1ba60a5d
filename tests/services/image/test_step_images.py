"""The image of the steps for each device: built from its lock file, and imported on the CPU."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from components.code import ROOT, lock_digest
from k8s.replay.libraries import locked
from services.image.engine import Engine, find_engine
from services.image.errors import EngineError
from services.image.program import PROGRAMS, program_image
from services.image.recipe import base_image, fetch_base

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


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name.startswith("components")])
def test_the_steps_image_has_its_lock_and_imports_tensorflow(
    engine: Engine, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = PROGRAMS[name]
    image = program_image(program, f"localhost/canario-test-{os.getpid()}/{name}", base_image(None), engine, print)
    full = f"{image.name}:{image.tag}"
    try:
        said = json.loads(engine.run(full, ("python", "-c", _PROGRAM)).strip().splitlines()[-1])
    finally:
        engine.remove(full)
    wanted = locked(Path(ROOT, program.lock))
    assert {canonicalize_name(package): version for package, version in said["packages"].items()} == wanted
    assert said["tensorflow"] == wanted.get("tensorflow", wanted.get("tensorflow-tpu"))
    # The library of TPUs shows its system also where there is no TPU.
    assert set(said["devices"]) - {"TPU_SYSTEM"} == {"CPU"}
    monkeypatch.setenv("CANARIO_LOCK", program.lock)
    assert said["lock"] == lock_digest()
