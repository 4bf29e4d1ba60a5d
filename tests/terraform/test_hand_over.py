"""What Terraform made comes to where it is needed, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.signing.signers import read_signers
from terraform.commands import CloudError, outputs
from terraform.hand_over import hand_over, write_registries, write_values
from tests.repo.tree import ROOT

PUBLIC = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEun5GnF5got4+EV9aDQaQDTEgeKKy
i+hzSt5iOq68OLmtQsUfMzSf3v06L7itNnaunj51fPO2EaEFm5cl+IkW7Q==
-----END PUBLIC KEY-----
"""
HANDED = {
    "cluster": {"name": "canario-staging", "location": "us-central1", "account": "example-project"},
    "repository": "us-central1-docker.pkg.dev/example-project/canario-staging",
    "signatures": "us-central1-docker.pkg.dev/example-project/canario-staging-signatures/images",
    "signers": [{"name": "kms-first", "kms": "gcpkms://projects/p", "key": PUBLIC}],
    "canario": {"mlflow": {"enabled": True}},
    "mlflow_secret": {"MLFLOW_BACKEND_STORE_URI": "postgresql://mlflow@10.0.0.5:5432/mlflow?sslmode=require"},
    "database_secret": "canario-staging-database",
    "workflows": {"staging": {"CLUSTER": "canario-staging", "DEPLOY_SERVICE_ACCOUNT": "deploy@example.com"}},
    "pools": ["cpu"],
}
CONTEXT = "gke_example-project_us-central1_canario-staging"


class Programs:
    """Answers as terraform, gcloud and kubectl do, and keeps what they were told."""

    def __init__(self, handed: dict[str, Any] = HANDED, context: str = CONTEXT) -> None:
        self.handed, self.context = handed, context
        self.commands: list[str] = []
        self.applied: dict[str, Any] = {}

    def __call__(self, command: Sequence[str]) -> str:
        self.commands.append(" ".join(command))
        if command[0] == "terraform":
            return json.dumps({name: {"value": value} for name, value in self.handed.items()})
        if command[:3] == ["kubectl", "config", "current-context"]:
            return self.context + "\n"
        if command[:4] == ["gcloud", "secrets", "versions", "access"]:
            assert command[4:] == ["latest", "--secret=canario-staging-database", "--project=example-project"]
            return "topsecret"
        if "--filename" in command and command[-1].endswith(".json"):
            self.applied = json.loads(Path(command[-1]).read_text())
        return ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with the files of staging that are written to, as they are here."""
    folder = tmp_path / "k8s" / "envs" / "staging"
    (folder / "configs").mkdir(parents=True)
    config = ROOT / "k8s" / "envs" / "staging" / "configs" / "kustomization.yaml"
    (folder / "configs" / "kustomization.yaml").write_text(config.read_text())
    (folder / "signers.yaml").write_text((ROOT / "k8s" / "envs" / "staging" / "signers.yaml").read_text())
    return tmp_path


def test_files_name_it_and_the_cluster_gets_the_secret(root: Path) -> None:
    programs = Programs()
    hand_over("staging", root, programs)
    folder = root / "k8s" / "envs" / "staging"
    assert yaml.safe_load((folder / "canario.yaml").read_text()) == HANDED["canario"]
    assert (
        f"canario~1registry, value: {HANDED['repository']}}}" in (folder / "configs" / "kustomization.yaml").read_text()
    )
    assert programs.applied["stringData"] == {**HANDED["mlflow_secret"], "PGPASSWORD": "topsecret"}  # type: ignore[dict-item]
    assert programs.applied["metadata"] == {"name": "mlflow", "namespace": "canario"}


def test_cluster_namespaces_and_secret_come_in_this_order(root: Path) -> None:
    """The right cluster is chosen before the namespaces, and these are there before the secret."""
    programs = Programs()
    hand_over("staging", root, programs)
    told = [line for line in programs.commands if not line.startswith("terraform")]
    asked = ["--project", "example-project", "--location", "us-central1", "--dns-endpoint"]
    assert told.pop(0) == "gcloud auth configure-docker us-central1-docker.pkg.dev --quiet"
    assert told[0].split() == ["gcloud", "container", "clusters", "get-credentials", "canario-staging", *asked]
    assert ["namespaces.yaml" in line for line in told] == [False, False, True, False, False]
    assert told[3].startswith("gcloud secrets versions access latest")
    assert "--filename" in told[-1]


def test_the_password_is_on_no_command_line_and_in_no_file(root: Path) -> None:
    """The password is on no command line and in no file of the tree."""
    programs = Programs()
    hand_over("staging", root, programs)
    assert not any("topsecret" in line for line in programs.commands)
    assert not any("topsecret" in file.read_text() for file in root.rglob("*") if file.is_file())


def test_a_person_is_told_what_to_set_on_github(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hand_over("staging", root, Programs())
    told = [line.split() for line in capsys.readouterr().out.splitlines() if "gh variable set" in line]
    asked = [["gh", "variable", "set", name, "--env", "staging"] for name in ("CLUSTER", "DEPLOY_SERVICE_ACCOUNT")]
    assert [line[:6] for line in told] == asked
    assert told[1][-1] == "deploy@example.com"


@pytest.mark.parametrize(
    "other", ["gke_example-project_us-central1_canario-production", "gke_another_us-central1_canario-staging"]
)
def test_another_cluster_is_left_alone(root: Path, other: str) -> None:
    programs = Programs(context=other)
    with pytest.raises(CloudError, match="which is not canario-staging"):
        hand_over("staging", root, programs)
    assert not any("apply" in line for line in programs.commands)


def test_who_signs_is_written_and_what_people_wrote_stays(root: Path) -> None:
    folder = root / "k8s" / "envs" / "staging"
    hand_over("staging", root, Programs())
    signers = read_signers(folder)
    assert [(one.name, one.kms, one.key) for one in signers.signers] == [("kms-first", "gcpkms://projects/p", PUBLIC)]
    assert (folder / "signers.yaml").read_text().startswith("# Who signs what runs here")
    broken = [{"name": "kms-first", "kms": "gcpkms://projects/p", "key": "none"}]
    with pytest.raises(CloudError, match="is no public key in PEM"):
        hand_over("staging", root, Programs(HANDED | {"signers": broken}))


def test_handing_over_again_changes_nothing_people_wrote(root: Path) -> None:
    """Handing over twice has the effect of once, and keeps the lines that people wrote."""
    file = root / "k8s" / "envs" / "staging" / "canario.yaml"
    file.write_text("# Ours.\nenvironment: {branch: main}\n")
    hand_over("staging", root, Programs())
    once = file.read_text()
    hand_over("staging", root, Programs())
    assert file.read_text() == once
    assert once.startswith("# Ours.\nenvironment: {branch: main}\n")
    assert yaml.safe_load(once) == {"environment": {"branch": "main"}, **HANDED["canario"]}  # type: ignore[dict-item]


def test_what_people_wrote_is_not_overruled(root: Path) -> None:
    file = root / "canario.yaml"
    file.write_text("mlflow: {enabled: false}\n")
    with pytest.raises(CloudError, match="mlflow stands there"):
        write_values(file, outputs("staging", Programs()))
    assert file.read_text() == "mlflow: {enabled: false}\n"


def test_a_file_without_a_place_for_the_registry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\n")
    with pytest.raises(CloudError, match="names the registry 0 times"):
        write_registries(tmp_path, "registry.local/canario", "registry.local/signatures/images")


@pytest.mark.parametrize(
    ("environment", "handed", "said"),
    [
        ("moon", HANDED, "no environment of terraform/envs; there are production, staging"),
        ("staging", {}, "nothing was applied; next: make tf-plan ENV=staging"),
        ("staging", HANDED | {"bucket": "x"}, "apply it first"),
    ],
)
def test_what_cannot_be_handed_over_is_said(environment: str, handed: dict[str, Any], said: str) -> None:
    with pytest.raises(CloudError, match=said):
        outputs(environment, Programs(handed))


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_each_environment_has_a_place_for_its_registry(environment: str, tmp_path: Path) -> None:
    folder = ROOT / "k8s" / "envs" / environment / "configs"
    (tmp_path / "kustomization.yaml").write_text((folder / "kustomization.yaml").read_text())
    for name in ("first", "second"):
        write_registries(tmp_path, f"registry.example/{name}", f"registry.example/{name}-signatures/images")
    (_, patch) = yaml.safe_load((tmp_path / "kustomization.yaml").read_text())["patches"]
    assert yaml.safe_load(patch["patch"]) == [
        {"op": "replace", "path": "/metadata/annotations/canario~1registry", "value": "registry.example/second"},
        {
            "op": "add",
            "path": "/metadata/annotations/canario~1signatures",
            "value": "registry.example/second-signatures/images",
        },
    ]
