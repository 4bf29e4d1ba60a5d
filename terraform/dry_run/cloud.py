"""An empty project of Google Cloud, as far as the ten commands meet it: what is enabled, made and allowed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_PROJECT: Final = "example-project"
_NAMESPACE: Final = re.compile(r"^kind: Namespace$", re.MULTILINE)


class CloudRefusalError(Exception):
    """Google or Kubernetes would refuse; the message says why."""


@dataclass
class EmptyProject:
    """The project after some calls.

    Attributes:
        tree: the copy of the tree in which the commands run.
        facts: what there is by now, in the words of answers.yaml.
        answers: answers.yaml.
    """

    tree: Path
    facts: set[str]
    answers: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, tree: Path, answers: dict[str, Any]) -> EmptyProject:
        """The project that a folder holds; an empty one at first."""
        file = folder / "facts"
        at_first = {f"api {name}.googleapis.com" for name in answers["apis"]["at_first"]}
        return cls(tree, set(json.loads(file.read_text("utf-8"))) if file.exists() else at_first, answers)

    def write(self, folder: Path) -> None:
        """Keeps the project in a folder."""
        (folder / "facts").write_text(json.dumps(sorted(self.facts)), encoding="utf-8")

    def names(self, flags: dict[str, str]) -> dict[str, str]:
        """What a text of answers.yaml may name beside a call's own words."""
        environment = self.environment(flags)
        sizes = self.sizes(environment) if environment else {}
        spec, record = flags.get("--spec", ""), flags.get("--record", "")
        backend = flags.get("-backend-config", "")
        return {
            "project": _PROJECT,
            "region": sizes.get("region", "us-central1"),
            "cluster": next((fact.split()[1] for fact in sorted(self.facts) if fact.startswith("cluster ")), ""),
            "bucket": backend.partition("=")[2],
            "service": Path(spec).parent.name if spec else "",
            "record": Path(record).stem if record else "",
            "registry": f"{sizes.get('region', 'us-central1')}-docker.pkg.dev",
        }

    def environment(self, flags: dict[str, str]) -> str:
        """The environment whose folder a call of terraform is in."""
        return Path(flags["-chdir"]).name if "-chdir" in flags else ""

    def sizes(self, environment: str) -> dict[str, Any]:
        """An environment's sizes.json."""
        text = (self.tree / "terraform" / "envs" / environment / "sizes.json").read_text(encoding="utf-8")
        sizes: dict[str, Any] = json.loads(text)
        return sizes

    def do(self, what: str, flags: dict[str, str]) -> None:
        """Does what a table of facts does not say.

        Raises:
            CloudRefusalError: it would be refused.
        """
        {
            "lock": self._lock,
            "plan": self._plan,
            "apply": self._apply,
            "output": self._output,
            "kubectl_apply": self._kubectl_apply,
            "files": self._files,
        }[what](flags)

    def _lock(self, flags: dict[str, str]) -> None:
        (self.tree / flags["-chdir"] / ".terraform.lock.hcl").touch()

    def _plan(self, flags: dict[str, str]) -> None:
        out = self.tree / flags["-out"] if "-out" in flags else None
        if out is None:
            raise CloudRefusalError("the plan is kept nowhere, so nobody applies what was looked at")
        out.write_text(self.environment(flags), encoding="utf-8")

    def _apply(self, flags: dict[str, str]) -> None:
        environment = self.environment(flags)
        wanting = [api for api in needed_apis(self.tree, self.answers) if f"api {api}" not in self.facts]
        if wanting:
            raise CloudRefusalError(f"Error 403: {', '.join(wanting)} has not been used in project {_PROJECT} before")
        if f"password of canario-{environment}-database" not in self.facts:
            raise CloudRefusalError(f"the secret canario-{environment}-database has no version")
        quota = self.answers["quota"]["ssd_gb"]
        if (wanted := ssd_gb(self.tree, environment, self.answers)) > quota:
            raise CloudRefusalError(
                f"Insufficient regional quota to satisfy request: resource SSD_TOTAL_GB: {environment} at its most "
                f"requires {wanted}, and a new project has {quota}"
            )
        self.facts |= {f"applied {environment}", f"cluster canario-{environment}"}

    def _output(self, flags: dict[str, str]) -> None:
        if f"applied {self.environment(flags)}" not in self.facts:
            raise CloudRefusalError("nothing was applied")

    def outputs(self) -> str:
        """What `terraform output -json` prints of the environment that was applied."""
        environment = next(fact.split()[1] for fact in sorted(self.facts) if fact.startswith("applied "))
        region = self.sizes(environment)["region"]
        name, host = f"canario-{environment}", f"{region}-docker.pkg.dev/{_PROJECT}"
        values = {
            "cluster": {"name": name, "location": region, "account": _PROJECT},
            "repository": f"{host}/{name}",
            "signatures": f"{host}/{name}-signatures/images",
            "signers": [{"name": "kms-first", "kms": f"gcpkms://projects/{_PROJECT}", "key": _public_key()}],
            "canario": {
                "judge": {"image": {"repository": f"{host}/{name}/judge"}},
                "mlflow": {"enabled": True, "image": {"repository": f"{host}/{name}/mlflow"}},
            },
            "mlflow_secret": {"MLFLOW_BACKEND_STORE_URI": "postgresql://mlflow@10.0.0.5:5432/mlflow?sslmode=require"},
            "database_secret": f"{name}-database",
            "workflows": {},
            "pools": sorted(self.sizes(environment)["pools"]),
        }
        return json.dumps({key: {"value": value} for key, value in values.items()})

    def _kubectl_apply(self, flags: dict[str, str]) -> None:
        if file := flags.get("--filename"):
            for one in yaml.safe_load_all(Path(file).read_text(encoding="utf-8")):
                self.facts.add(f"object {one['kind']} {one['metadata']['name']}")
                self.facts |= {"namespaces"} if one["kind"] == "Namespace" else set()
        elif folder := flags.get("--kustomize"):
            if not (Path(folder) / "kustomization.yaml").is_file():
                raise CloudRefusalError(f"{folder} has no kustomization.yaml")
            self.facts.add("namespaces")

    def _files(self, flags: dict[str, str]) -> None:
        path = Path(flags.get("--from-file", "").rpartition("=")[2]).expanduser()
        if "--from-file" in flags and not (self.tree / path).exists():
            raise CloudRefusalError(f"error reading {path}: no such file or directory")


def _public_key() -> str:
    """The public half of a key that nobody has."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def needed_apis(tree: Path, answers: dict[str, Any]) -> list[str]:
    """The APIs by which Terraform makes the resources of the modules.

    Raises:
        CloudRefusalError: a type has no API in answers.yaml.
    """
    files = (tree / "terraform" / "modules").glob("*/main.tf")
    types = {kind for file in files for kind in re.findall(r'^resource "(google_\w+)"', file.read_text(), re.MULTILINE)}
    known = answers["apis"]["of"]
    fitting = {kind: sorted((start for start in known if kind.startswith(start)), key=len) for kind in types}
    if unknown := sorted(kind for kind, starts in fitting.items() if not starts):
        raise CloudRefusalError(f"answers.yaml does not say by which API {', '.join(unknown)} is made")
    return sorted({f"{known[starts[-1]]}.googleapis.com" for starts in fitting.values()})


def ssd_gb(tree: Path, environment: str, answers: dict[str, Any]) -> int:
    """The SSD that an environment has at its most: every pool with one node more, as in an upgrade, and the claims.

    A cluster begins with a pool of its own, which is gone before the others come.
    """
    sizes = json.loads((tree / "terraform" / "envs" / environment / "sizes.json").read_text(encoding="utf-8"))
    nodes = [pool["nodes"] for pool in sizes["pools"].values()]
    pools = sum((one["max"] + 1) * one["disk_gb"] for one in nodes)
    return int(max(pools + answers["claimed_gb"]["amount"], first_pool_gb(tree, answers)))


def first_pool_gb(tree: Path, answers: dict[str, Any]) -> int:
    """The SSD of the pool with which a cluster begins."""
    text = (tree / "terraform" / "modules" / "cluster" / "main.tf").read_text(encoding="utf-8")
    block = re.search(r"^  node_config \{\n(.*?)^  \}", text, re.MULTILINE | re.DOTALL)
    said = dict(re.findall(r'^    (disk_\w+) += "?([\w-]+)"?$', block[1] if block else "", re.MULTILINE))
    if said.get("disk_type") == "pd-standard":
        return 0
    quota = answers["quota"]
    return int(said.get("disk_size_gb", quota["first_disk_gb"])) * int(quota["zones"])
