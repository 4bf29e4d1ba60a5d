"""Hands over Terraform's outputs: `python -m terraform.hand_over --env staging`.

Afterwards docker may push to the environment's registry, and kubectl and helm point at its cluster; `k8s/envs/<env>`
names the registry, the repository of its signatures, who signs, and the values of the chart canario; the cluster has
the namespaces and MLflow's secret, which names its database with the password from Secret Manager, and its artifact
store. Safe to repeat. Commit the files; they do not contain the secret.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from components.errors import SigningError
from components.files import write_atomically
from components.image.signature_place import VARIABLE
from components.signing.signers import FILE, read_signers
from components.spec.reading.block_yaml import BlockDumper
from k8s.rendering.environment_registry import REGISTRY, SIGNATURES, annotation_path
from terraform.commands import CloudError, Outputs, Run, enter, outputs, run

_ROOT = Path(__file__).resolve().parents[1]
_MARK: Final = "# What Terraform handed over; `make tf-handover` writes what follows.\n"
_PLACES: Final = {annotation: annotation_path(annotation) for annotation in (REGISTRY, SIGNATURES)}
_REGISTRY: Final = re.compile(rf"^( *- ){{op: \w+, path: {_PLACES[REGISTRY]}, value: [^\s}},]+}}\n", re.MULTILINE)
_SIGNATURES: Final = re.compile(rf"^ *- {{op: \w+, path: {_PLACES[SIGNATURES]}, .*}}\n", re.MULTILINE)
_NAMESPACE: Final = "canario"


def hand_over(environment: str, root: Path, run: Run) -> None:
    """Passes an environment's outputs on to docker, kubectl, k8s/envs and the cluster.

    Raises:
        CloudError: a program failed, or a file has no place for the outputs.
    """
    found = outputs(environment, run)
    folder = root / "k8s" / "envs" / environment
    registries = write_registries(folder / "configs", found.repository, found.signatures)
    changed = [write_values(folder / "canario.yaml", found), registries, write_signers(folder, found)]
    _say(f"{' and '.join(str(path.relative_to(root)) for path in changed)} are written; commit them")
    run(["gcloud", "auth", "configure-docker", found.repository.partition("/")[0], "--quiet"])
    enter(found.cluster, run)
    # No more of the folder configs: Kyverno, whose policy is in it, comes with `make platform`.
    run(["kubectl", "apply", "--server-side", "--filename", str(root / "k8s" / "configs" / "namespaces.yaml")])
    apply_secret(found, run)
    for line in github_commands(found):
        _say(line)
    _say(f"{found.cluster.name} has the namespaces and MLflow's secret; next: make platform ENV={environment}")
    _say(f"before `make publish render`: export REGISTRY={found.repository} {VARIABLE}={found.signatures}")


def write_values(file: Path, found: Outputs) -> Path:
    """Writes the chart's values below the part of the file that people write, which stays as it is.

    Raises:
        CloudError: the people's part already has one of the keys.
    """
    kept = file.read_text(encoding="utf-8").partition(_MARK)[0] if file.is_file() else ""
    if both := sorted(set(yaml.safe_load(kept) or {}) & set(found.canario)):
        raise CloudError(
            f"{file}: {', '.join(both)} stands there and is Terraform's to say; move it below or remove it"
        )
    return write_atomically(file, kept + _MARK + yaml.safe_dump(found.canario, sort_keys=False))


def write_signers(folder: Path, found: Outputs) -> Path:
    """Writes who signs below the part of the file that people write, which stays as it is.

    Raises:
        CloudError: the file is not there, or Terraform's keys are no signers.
    """
    file = folder / FILE
    try:
        kept = file.read_text(encoding="utf-8").partition(_MARK)[0]
    except FileNotFoundError as error:
        raise CloudError(f"{file} is not there; take one from another environment") from error
    text = yaml.dump({"signers": list(found.signers)}, Dumper=BlockDumper, sort_keys=False)
    write_atomically(file, kept + _MARK + text)
    try:
        read_signers(folder)
    except SigningError as error:
        raise CloudError(f"what Terraform handed over is not understood: {error}") from error
    return file


def write_registries(folder: Path, repository: str, signatures: str) -> Path:
    """Writes the registry whose images the namespace of models admits, and the repository of their signatures.

    Raises:
        CloudError: the file does not name a registry exactly once.
    """
    file = folder / "kustomization.yaml"
    lines = (
        rf"\g<1>{{op: replace, path: {_PLACES[REGISTRY]}, value: {repository}}}\n"
        rf"\g<1>{{op: add, path: {_PLACES[SIGNATURES]}, value: {signatures}}}\n"
    )
    text, count = _REGISTRY.subn(lines, _SIGNATURES.sub("", file.read_text(encoding="utf-8")))
    if count != 1:
        raise CloudError(f"{file}: names the registry {count} times in place of once")
    return write_atomically(file, text)


def apply_secret(found: Outputs, run: Run) -> None:
    """Applies MLflow's secret from a file that only this user can read: a command line would show it to others."""
    with tempfile.TemporaryDirectory(prefix="canario-secret-") as place:
        file = Path(place, "secret.json")
        file.write_text(json.dumps(secret(found, password(found, run))), encoding="utf-8")
        run(["kubectl", "apply", "--server-side", "--filename", str(file)])


def github_commands(found: Outputs) -> Iterator[str]:
    """The commands that tell the workflows on GitHub their accounts and their cluster; a person runs them, once."""
    if found.workflows:
        yield "the workflows get accounts; once on GitHub, by whoever may change its settings:"
    for environment, variables in sorted(found.workflows.items()):
        for name, value in sorted(variables.items()):
            yield f"  gh variable set {name} --env {environment} --body {shlex.quote(value)}"


def password(found: Outputs, run: Run) -> str:
    """The database's password, which Terraform does not keep.

    Raises:
        CloudError: Secret Manager does not give it.
    """
    where = [f"--secret={found.database_secret}", f"--project={found.cluster.account}"]
    return run(["gcloud", "secrets", "versions", "access", "latest", *where]).strip()


def secret(found: Outputs, password: str) -> dict[str, Any]:
    """The secret named by the chart's mlflow.secret."""
    metadata = {"name": "mlflow", "namespace": _NAMESPACE}
    content = {**found.mlflow_secret, "PGPASSWORD": password}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": content}


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns 1 with a message if something was not handed over."""
    parser = argparse.ArgumentParser(prog="python -m terraform.hand_over", description=__doc__)
    parser.add_argument("--env", required=True, help="a folder of terraform/envs")
    try:
        hand_over(parser.parse_args(arguments).env, _ROOT, run)
    except CloudError as error:
        print(f"not handed over: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
