"""Lock files name exact bytes, say nothing of where these come from, and agree with each other."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.repo.tree import LAYERS, ROOT, imports

WHOLE = ROOT / "requirements.txt"
SERVER = ROOT / "services" / "model_server" / "requirements.txt"
#: The lock file of each group of dependencies that an image or an environment has alone.
PARTS = {
    "server": SERVER,
    "judge": ROOT / "services" / "judge" / "requirements.txt",
    "mlflow": ROOT / "services" / "image" / "locks" / "mlflow.txt",
    "stores": ROOT / "services" / "image" / "locks" / "stores.txt",
    "steps-cpu": ROOT / "components" / "locks" / "cpu.txt",
}
#: The lock files of devices that no machine of the tests has; each brings TensorFlow in a form of its own.
DEVICES = {
    "steps-cuda": ROOT / "components" / "locks" / "cuda.txt",
    "steps-tpu": ROOT / "components" / "locks" / "tpu.txt",
}


def pins(lock: str) -> dict[str, str]:
    """Version of each package that a lock file names.

    Raises:
        ValueError: a line is no exact version with a hash.
    """
    found = {}
    for entry in _entries(lock):
        match = re.match(
            r"([a-z0-9._-]+(?:\[[a-z0-9,._-]+\])?)==([^\s;]+)( ;[^\\]*)?( --hash=sha256:[0-9a-f]{64})+$", entry
        )
        if not match:
            raise ValueError(f"no exact version with a hash: {entry}")
        found[match[1].partition("[")[0]] = match[2]
    return found


def _entries(lock: str) -> list[str]:
    """The lines of a lock file with their continuations, comments left out."""
    lines = [line.strip() for line in re.sub(r"\s*\\\n\s*", " ", lock).splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def declared(name: str) -> str:
    """The normal form of a requirement's name, without its extras and versions."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name)[0]).lower()


def requirements(groups: Mapping[str, Any], name: str) -> Iterator[str]:
    """What a group of dependencies requires, with the groups that it includes."""
    for entry in groups[name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from requirements(groups, entry["include-group"])


@pytest.mark.parametrize("path", [WHOLE, *PARTS.values(), *DEVICES.values()], ids=["whole", *PARTS, *DEVICES])
def test_every_package_is_an_exact_version_with_hashes(path: Path) -> None:
    assert pins(path.read_text())


@pytest.mark.parametrize("path", [*PARTS.values(), *DEVICES.values()], ids=[*PARTS, *DEVICES])
def test_a_part_has_the_versions_of_the_whole(path: Path) -> None:
    whole, part = pins(WHOLE.read_text()), pins(path.read_text())
    assert {name: version for name, version in part.items() if whole.get(name, version) != version} == {}


@pytest.mark.parametrize("name", ["server", "judge", "steps-cpu"])
def test_our_images_pin_no_library_beyond_the_tests_own(name: str) -> None:
    """The lock file of an image with our code is a part of the whole lock file that tests run in."""
    whole, part = pins(WHOLE.read_text()), pins(PARTS[name].read_text())
    assert part.keys() < whole.keys()


def test_a_devices_lock_adds_only_what_computes_on_it() -> None:
    """The locks of the steps agree but for what TensorFlow needs on each device."""
    cpu, cuda, tpu = (pins(path.read_text()) for path in (PARTS["steps-cpu"], *DEVICES.values()))
    assert cuda.items() >= cpu.items()
    assert {name for name in cuda.keys() - cpu.keys() if not name.startswith("nvidia-")} == set()
    assert {"nvidia-cudnn-cu12", "nvidia-cublas-cu12", "nvidia-nccl-cu12"} <= cuda.keys() - cpu.keys()
    assert cpu.keys() - tpu.keys() == {"tensorflow"}
    assert {"tensorflow-tpu", "libtpu"} <= tpu.keys() - cpu.keys()
    assert {name for name in cpu.keys() & tpu.keys() if cpu[name] != tpu[name]} == set()


@pytest.mark.parametrize("path", [PARTS["steps-cpu"], *DEVICES.values()], ids=["cpu", *DEVICES])
def test_a_replay_runs_with_the_lock_of_any_image_that_trains(path: Path) -> None:
    """The local runner, which replays a version, needs no library that an image's lock file lacks."""
    runner = [ROOT / "pipelines" / f"{name}.py" for name in ("local", "runner", "result", "training", "pods")]
    needed = {name.partition(".")[0] for file in runner for name in imports(file.read_text(encoding="utf-8"))}
    needed -= {*LAYERS, *sys.stdlib_module_names}
    assert needed >= {"filelock", "kfp"}
    assert needed | {"kfp-kubernetes"} <= pins(path.read_text()).keys()


def test_the_server_has_nothing_that_only_trains() -> None:
    server = pins(SERVER.read_text())
    assert not server.keys() & {"scikit-learn", "tensorflow", "pandas", "mlflow", "kfp"}


def test_everything_that_is_declared_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    whole = pins(WHOLE.read_text())
    wanted = [*project["project"]["dependencies"], *(name for name in groups["dev"] if isinstance(name, str))]
    assert {declared(name) for name in wanted} - whole.keys() == set()
    for group, path in (PARTS | DEVICES).items():
        assert {declared(name) for name in requirements(groups, group)} - pins(path.read_text()).keys() == set()


HASH = f"--hash=sha256:{'0' * 64}"


def test_a_lock_is_read() -> None:
    lock = f"a==1.0 \\\n    {HASH} \\\n    {HASH}\n    # via b\nb-c[d]==2 ; python_version < '4' \\\n    {HASH}\n"
    assert pins(lock) == {"a": "1.0", "b-c": "2"}


@pytest.mark.parametrize(
    "line",
    [
        "a==1.0",
        f"a>=1.0 {HASH}",
        "a==1.0 --hash=md5:0",
        f"--index-url https://example.org\na==1.0 {HASH}",
        f"-i https://example.org a==1.0 {HASH}",
        f"--extra-index-url x\na==1.0 {HASH}",
        f"a @ https://example.org/a.whl {HASH}",
        f"-e . {HASH}",
    ],
)
def test_a_line_that_is_not_exact_is_seen(line: str) -> None:
    with pytest.raises(ValueError, match="no exact version"):
        pins(line)
