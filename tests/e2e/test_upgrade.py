"""A platform of an earlier commit is upgraded under load; what it served goes on, and what MLflow knew is known.

The earlier champion is a package of that commit in that commit's server. The tests build on each other, in their order.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.package.model_package import read_package
from components.registry.contents import read_contents
from components.registry.model_registry import champion, local_package
from components.releases.release_file import Image, release_file, release_text
from k8s.rendering.environment_files import ClusterRelease
from k8s.rendering.gateway import HTTP, OURS, REDIRECT
from k8s.replay.comparison import answers
from tests.e2e import edge
from tests.e2e.callers import Callers
from tests.e2e.earlier import SERVICE, Earlier
from tests.e2e.kube import Kube
from tests.e2e.scenario import CALLERS, REGISTRY, ROOT, build_image
from tests.made_before.versions import RECORDS, SPEC, digest_of, register_before

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

NAMESPACES = ("models", "canario", "gateway", CALLERS)
MODELS, PLATFORM = Kube("models"), Kube("canario")
HOST = f"http://{SERVICE}.canario.local"
#: The definitions of a test cluster came with it, and no public address is reached from there.
#: What a cluster for tests brings itself, and no chart's repository is needed for.
SKIP = ("--skip", "gateway-api", "metrics-server", "kyverno")


def command(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", module, *options]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def upgraded(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """`make platform-upgrade`, with the environment of a tree."""
    where = ("--env", "local", "--root", str(tree), "--admit", REGISTRY, "--timeout-seconds", "600")
    return command("k8s.upgrade", *where, *SKIP, *options)


def contents() -> dict[str, Any]:
    """What MLflow's registry holds."""
    with PLATFORM.forwarded("service/mlflow", 80) as port:
        return read_contents(f"http://localhost:{port}")


def pods(kube: Kube, selector: str) -> dict[str, int]:
    """The restarts of each pod that is not on its way out, by its uid."""
    found = [one for one in kube.get("pods", "--selector", selector) if "deletionTimestamp" not in one["metadata"]]
    return {
        one["metadata"]["uid"]: sum(state["restartCount"] for state in one["status"]["containerStatuses"])
        for one in found
    }


def phase() -> str:
    """What Flagger says of the service."""
    return str(MODELS.get("canary", SERVICE)["status"].get("phase", ""))


def champions() -> dict[str, int]:
    """The pods that answer callers."""
    return pods(MODELS, f"app={SERVICE}-primary")


@pytest.fixture(scope="module")
def earlier(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Earlier]:
    """The earlier platform, its champion, and its registry; all of it is gone afterwards."""
    # As that commit left the gateway, whatever was installed here since.
    plain = {"name": HTTP, "protocol": "HTTP", "port": 8000, "allowedRoutes": {"namespaces": {"from": "All"}}}
    edge.gateway().run(
        "patch", "gateway", OURS.name, "--type=merge", f"--patch={json.dumps({'spec': {'listeners': [plain]}})}"
    )
    edge.gateway().run("delete", "httproute", REDIRECT, "--ignore-not-found")
    made = Earlier.unpacked(tmp_path_factory.mktemp("earlier"))
    made.build_platform()
    image = made.build_model(REGISTRY)
    try:
        assert "MLflow, its stores: ready" in made.install()
        MODELS.run("annotate", "namespace", "models", f"canario/registry={REGISTRY}", "--overwrite")
        made.deploy(image)
        with PLATFORM.forwarded("service/mlflow", 80) as port:
            register_before(f"http://localhost:{port}", made.folder)
        yield made
    finally:
        for name, kube in ((SERVICE, MODELS), ("canario", PLATFORM)):
            subprocess.run(["helm", "uninstall", name, "-n", kube.namespace, "--ignore-not-found"], check=True)
        # Set by hand, it would be somebody else's for the next installation.
        MODELS.run("annotate", "namespace", "models", "canario/registry-")
        PLATFORM.run("delete", "secret", "mlflow", "--ignore-not-found")
        claims = [f"pvc/data-{store}-0" for store in ("postgresql", "object-store")]
        PLATFORM.run("delete", *claims, "--ignore-not-found")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The local environment, which serves callers in plain HTTP, too, while they move."""
    root = tmp_path_factory.mktemp("tree")
    for folder in ("k8s/envs/local", "k8s/configs"):
        shutil.copytree(ROOT / folder, root / folder)
    file = root / "k8s" / "envs" / "local" / "platform.yaml"
    platform = yaml.safe_load(file.read_text(encoding="utf-8"))
    platform["gateway"]["http"] = "served"
    file.write_text(yaml.safe_dump(platform), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def calling(earlier: Earlier) -> Iterator[Callers]:
    """Callers in plain HTTP from before the upgrade to its end."""
    kube = Kube(CALLERS)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CALLERS}})
    with Callers(kube, HOST, SPEC, RECORDS / "1" / "snapshot.parquet", build_image("load")) as running:
        yield running


@pytest.fixture(scope="module")
def before(calling: Callers) -> tuple[dict[str, int], dict[str, Any], Any]:
    """The champion's pods, the registry, and the uid of MLflow's secret."""
    for program in ("judge", "mlflow", "stores"):
        build_image(program)
    return champions(), contents(), PLATFORM.get("secret", "mlflow")["metadata"]["uid"]


def test_the_plan_says_what_there_is(tree: Path, before: tuple[dict[str, int], dict[str, Any], Any]) -> None:
    done = upgraded(tree, "--plan")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "chart canario: 0.1.0 (deployed) becomes " in done.stdout
    assert "created: ConfigMap/canario-rules" in done.stdout
    assert (
        "restarted: Deployment/judge, Deployment/mlflow, StatefulSet/object-store, StatefulSet/postgresql"
        in done.stdout
    )
    assert "deleted:" not in done.stdout
    assert f"models/{SERVICE}: 2 pods serve, and are not touched" in done.stdout
    assert f"note: models/{SERVICE}: is served by chart model-service 0.1.0" in done.stdout


def test_callers_are_not_redirected_by_surprise(before: tuple[dict[str, int], dict[str, Any], Any]) -> None:
    done = command("k8s.upgrade", "--env", "local", "--admit", REGISTRY, "--plan", *SKIP)
    assert done.returncode == 1
    assert f"callers reach models/{SERVICE} in plain HTTP, and would be sent to HTTPS from now on" in done.stderr


def test_an_upgrade_that_breaks_off_harms_nobody(
    tree: Path, before: tuple[dict[str, int], dict[str, Any], Any]
) -> None:
    """The pods are not ready within a second, so Helm gives up; what serves goes on."""
    done = upgraded(tree, "--timeout-seconds", "1")
    assert done.returncode == 1, done.stdout
    assert "not upgraded: " in done.stderr
    assert champions() == before[0]


def test_the_platform_is_upgraded_under_load(
    tree: Path, before: tuple[dict[str, int], dict[str, Any], Any], calling: Callers
) -> None:
    done = upgraded(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"serving: models/{SERVICE}: the same pods, and each answers its example" in done.stdout
    assert "registry: 1 models with 2 versions, as before" in done.stdout
    assert (champions(), contents(), PLATFORM.get("secret", "mlflow")["metadata"]["uid"]) == before
    calling.look()
    assert {name: count.failed for name, count in calling.requests.items()} == {"1": 0}, calling.faults


def test_a_second_upgrade_changes_nothing(tree: Path, calling: Callers) -> None:
    everything = "app.kubernetes.io/part-of=canario"
    there = pods(PLATFORM, everything)
    done = upgraded(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "backup: none, for nothing changes" in done.stdout
    assert pods(PLATFORM, everything) == there


def test_the_next_version_is_a_canary_against_the_earlier_server(
    earlier: Earlier, tree: Path, server_image: str, calling: Callers, tmp_path: Path
) -> None:
    """The same package in today's server, judged against the earlier one; no request was lost from first to last."""
    what = ("--spec", str(SPEC), "--package", str(RECORDS / "1" / "package"), "--name", f"{REGISTRY}/{SERVICE}")
    made = command("services.image", *what, "--out", str(tmp_path))
    assert made.returncode == 0, made.stdout + made.stderr
    record = yaml.safe_load((tmp_path / "images" / f"{SERVICE}.json").read_text(encoding="utf-8"))
    image = Image(repository=record["name"], tag=record["tag"], digest=record["digest"])
    release = ClusterRelease(service=SERVICE, version="2", package=digest_of("1"), image=image)
    (tree / release_file("local", SERVICE)).write_text(release_text(release), encoding="utf-8")
    options = ("--spec", str(earlier.spec), "--env", "local", "--root", str(tree))
    begun = command("k8s.deploy", *options)
    assert begun.returncode == 0, begun.stdout + begun.stderr
    refused = upgraded(tree, "--plan")
    assert refused.returncode == 1
    assert f"models/{SERVICE}: a rollout is under way" in refused.stderr
    MODELS.wait("the canary's end", lambda: phase() in ("Succeeded", "Failed"), 900)
    assert phase() == "Succeeded"
    calling.stop()
    assert {name: count.failed for name, count in calling.requests.items()} == {"1": 0, "2": 0}, calling.faults


def test_what_was_wiped_comes_back_from_a_backup(tree: Path, tmp_path: Path) -> None:
    """MLflow's database and objects are saved, wiped and restored; an old version loads and answers as it did."""
    known = contents()
    saved = command("k8s.backup", "--env", "local", "--out", str(tmp_path))
    assert saved.returncode == 0, saved.stdout + saved.stderr
    (folder,) = tmp_path.iterdir()
    drop = (
        "read -r PGPASSWORD; export PGPASSWORD; exec /usr/lib/postgresql/*/bin/psql -h 127.0.0.1 -U mlflow -d postgres "
    )
    drop += '-c "DROP DATABASE mlflow WITH (FORCE)"'
    password = PLATFORM.run("get", "secret", "mlflow", "-o", "go-template={{.data.PGPASSWORD|base64decode}}")
    PLATFORM.run("exec", "-i", "postgresql-0", "-c", "postgresql", "--", "bash", "-c", drop, stdin=f"{password}\n")
    PLATFORM.run("exec", "object-store-0", "-c", "object-store", "--", "bash", "-c", "rm -rf /data/buckets/mlflow/*")
    restored = command("k8s.backup", "--env", "local", "--restore", str(folder))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert "registry: 1 models with 2 versions, as when the backup was taken" in restored.stdout
    assert contents() == known
    with PLATFORM.forwarded("service/mlflow", 80) as port:
        uri = f"http://localhost:{port}"
        first = champion(uri, SERVICE)
        assert first is not None
        package = read_package(local_package(first, uri))
    assert package.digest == digest_of("1")
    assert answers(package, read_package(RECORDS / "1" / "package")).agree
