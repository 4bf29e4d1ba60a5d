"""An upgrade says what it will do, refuses what cannot go well, and goes in an order in which models go on serving."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k8s.upgrade.__main__ import main
from tests.k8s.followed import write_tree
from tests.k8s.upgrade.platform_there import CHARTS, PlatformThere, current, judge, tree


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlatformThere:
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr("k8s.upgrade.run.silence", lambda pods: "")
    monkeypatch.setattr("k8s.platform.install.lacking_rules", lambda *_: "")
    return PlatformThere(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path / "tree")


def ran(root: Path, *options: str) -> int:
    return main(["--env", "local", "--root", str(root), *options])


def test_the_plan_says_what_is_there_and_changes_nothing(
    there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.serve()
    assert ran(root, "--plan") == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "kubernetes: v1.35.1",
        "gateway-api: 1.6.3, as it should be",
        "traefik: 42.3.0, as it should be",
        "metrics-server: 0.9.0, as it should be",
        "prometheus: 29.46.0, as it should be",
        "flagger: 1.44.0, as it should be",
        f"chart canario: 0.1.0 (deployed) becomes {current()}",
        "  changed: Deployment/judge",
        "  restarted: Deployment/judge",
        "models/churn: 1 pods serve, and are not touched",
    ]
    assert there.told() == []


def test_definitions_then_controllers_then_the_chart(
    there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A Gateway that Traefik's chart made is kept before the chart that no longer has it is brought."""
    there.serve()
    there.gateway("All", **{"meta.helm.sh/release-name": "traefik"})
    there.answer("values-traefik", "{}")
    there.versions["flagger"] = "1.43.0"
    there.releases("0.1.0")
    there.answer("definitions", "kind: CustomResourceDefinition\n")
    assert ran(root) == 0
    steps = [line for line in there.told() if "dry-run" not in line]
    words = [" ".join(line.split()[:4]) for line in steps]
    assert words == [
        "kubectl -n gateway annotate",
        "kubectl apply --server-side --field-manager=helm",
        "helm upgrade --install traefik",
        "helm upgrade --install flagger",
        "kubectl apply --server-side --kustomize",
        "kubectl apply --server-side --force-conflicts",
        "kubectl -n gateway delete",
        "helm upgrade --install canario",
    ]
    assert "helm.sh/resource-policy=keep" in steps[0]
    said = capsys.readouterr().out
    assert "serving: models/churn: the same pods, and each answers its example" in said
    assert "to go back: `helm rollback canario 4 --namespace canario`" in said


def test_a_second_time_only_what_is_safe_to_repeat_is_done(there: PlatformThere, root: Path) -> None:
    there.serve()
    there.releases(current())
    there.answer("manifest", there.read("template"))
    assert ran(root) == 0
    assert not [line for line in there.told() if "traefik" in line or "annotate" in line]


def test_after_one_that_broke_off_the_way_back_is_known(
    there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.releases(current(), canario="failed")
    there.answer("manifest", there.read("template"))
    history = [{"revision": 3, "status": "superseded"}, {"revision": 4, "status": "failed"}]
    there.answer("history", json.dumps(history))
    assert ran(root) == 0
    said = capsys.readouterr().out
    assert f"chart canario: {current()} (failed) becomes {current()}" in said
    assert "to go back: `helm rollback canario 3 --namespace canario`" in said


def test_every_reason_is_told_at_once(there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there.serve("Progressing")
    there.versions["traefik"] = "99.0.0"
    there.releases("99.0.0", canario="pending-upgrade")
    assert ran(root) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "not upgraded: nothing was changed:"
    assert [line.partition(":")[0] for line in said[1:]] == ["- models/churn", "- traefik", "- canario", "- canario"]
    assert "its release is pending-upgrade" in said[3]
    assert f"its chart is 99.0.0, newer than {current()} of this tree" in said[4]
    assert there.told() == []


def test_definitions_that_would_be_refused_end_it_first(
    there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words are those of a real API server."""
    there.versions["flagger"] = "1.43.0"
    there.releases("0.1.0")
    there.answer("definitions", "kind: CustomResourceDefinition\n")
    there.answer("refusal", "status.storedVersions[0]: Invalid value: v1alpha3: missing from spec.versions\n")
    assert ran(root) == 1
    said = capsys.readouterr().err
    assert "- flagger: the API server refuses its next version: status.storedVersions[0]: Invalid value" in said
    assert there.told() == []


def test_callers_in_plain_http_are_not_sent_away_by_surprise(
    there: PlatformThere, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.serve()
    https = tree(tmp_path / "https", "{certificate: self-signed}")
    assert ran(https, "--plan") == 1
    assert "callers reach models/churn in plain HTTP, and would be sent to HTTPS" in capsys.readouterr().err
    assert ran(https, "--plan", "--redirect") == 0
    assert ran(tree(tmp_path / "both", "{certificate: self-signed, http: served}"), "--plan") == 0
    there.gateway("Same")
    assert ran(https, "--plan") == 0
    there.gateway("All")
    there.objects("pods")
    assert ran(https, "--plan") == 0, "nobody is served"


def test_a_registry_that_was_let_in_is_not_shut_out(
    there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.answer("models", json.dumps({"metadata": {"annotations": {"canario/registry": "registry.example.com/team"}}}))
    assert ran(root, "--plan") == 1
    assert (
        "models lets in images of registry.example.com/team, and k8s/envs/local says registry.local/canario"
        in capsys.readouterr().err
    )
    assert ran(root, "--plan", "--admit", "registry.example.com/team") == 0


def test_what_runs_must_be_let_in_when_it_starts_again(
    there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pod that a node loses would otherwise not come back."""
    there.serve()
    assert ran(root, "--plan", "--admit", "registry.example.com/team") == 1
    said = capsys.readouterr().err
    assert "models: pods run registry.local/canario/churn:1, and only images of registry.example.com/team would" in said
    there.serve(image="registry.example.com/team/churn:1")
    assert ran(root, "--plan", "--admit", "registry.example.com/team") == 0
    assert ran(root, "--plan") == 1


def test_a_database_outside_needs_a_backup_that_is_named(
    there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = judge("registry.example/mlflow:2")
    server["metadata"]["name"] = "mlflow"
    server["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "mlflow"}}]
    there.answer("template", json.dumps(server))
    assert ran(root, "--plan") == 1
    # The secret that `make tf-handover` makes.
    assert "namespace canario has no secret mlflow" in capsys.readouterr().err


def test_without_a_platform_there_is_nothing_to_upgrade(
    there: PlatformThere, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there.answer("releases", "[]")
    assert ran(root) == 1
    assert "there is no release canario in namespace canario; `make platform` installs it" in capsys.readouterr().err


def test_one_that_is_not_ours_is_left_alone(there: PlatformThere, root: Path) -> None:
    there.answer("values-flagger", "{}")
    there.answer("values-traefik", "{}")
    assert ran(root, "--skip", "flagger") == 0
    assert [line.split()[3] for line in there.told() if line.startswith("helm upgrade")] == ["traefik", "canario"]


def test_each_chart_is_looked_at(there: PlatformThere, root: Path) -> None:
    for name in CHARTS:
        there.answer(f"values-{name}", "{}")
    assert ran(root) == 0
    brought = [line.split()[3] for line in there.told() if line.startswith("helm upgrade")]
    assert brought == [*CHARTS, "canario"]


def test_what_flux_brings_from_git_is_left_to_git(
    there: PlatformThere, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Definitions and Flux itself are brought; charts come with a merge, before which the Gateway is kept."""
    root = write_tree(tmp_path / "followed")
    for file in ("k8s/flux/source.yaml", "k8s/envs/staging/canario.yaml"):
        text = (root / file).read_text().replace("git.example.invalid/team/canario", "git.example.com/ours")
        (root / file).write_text(text)
    there.serve()
    there.releases("0.1.0")
    there.gateway("Same", **{"meta.helm.sh/release-name": "traefik"})
    places = [{"metadata": {"name": name, "namespace": str(one.namespace)}} for name, one in CHARTS.items()]
    there.objects("in-git", *places)
    there.answer("values-traefik", "{}")
    crds = (
        f"{there.read('crds')}kustomizations.kustomize.toolkit.fluxcd.io\nimagevalidatingpolicies.policies.kyverno.io\n"
    )
    there.answer("crds", crds)
    there.deployments(**{"kyverno-admission-controller": "1.19.1"})
    assert main(["--env", "staging", "--root", str(root)]) == 0
    said = capsys.readouterr().out
    assert "traefik: 42.3.0; comes from Git, as a HelmRelease" in said
    assert "flagger: 1.44.0; comes from Git, as a HelmRelease" in said
    assert "flux: follows k8s/envs/staging in Git" in said
    steps = there.told()
    assert not [line for line in steps if line.startswith("helm upgrade")]
    assert "helm.sh/resource-policy=keep" in steps[0]
    assert steps[-1].endswith(f"--kustomize {root}/k8s/envs/staging/flux")
