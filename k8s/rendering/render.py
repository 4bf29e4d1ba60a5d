"""Writes the objects that Flux applies: the rendered charts of each release in a followed environment.

    python -m k8s.rendering.render            writes k8s/envs/<env>/rendered/ for every followed environment,
                                              and k8s/envs/<env>/configs/signers.yaml for each that checks signatures
    python -m k8s.rendering.render --check    lists the files that are out of date
    python -m k8s.rendering.render --signers  writes who signs, and no more: it needs no helm and no published image

With --env one environment only. One that cannot be rendered does not stop the others: it is named, and the exit status
is 1.
A followed environment is one with a folder `flux`. Its objects are made only from the release, the service's spec, the
environment's files and the charts of the same tree. With --check but without helm on the PATH, it reports that nothing
was checked; with STRICT=1 that is a failure.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from components.errors import ComponentError
from components.files import write_atomically
from components.git.repository import Repository
from components.releases.release_file import Release, environment_folder, release_file, release_text
from components.spec.reading.block_yaml import BlockDumper
from components.spec.reading.loading import load_spec
from components.spec.reading.strict_yaml import load_yaml
from k8s.cluster import helm
from k8s.errors import DeployError, EnvironmentFileError, ToolError
from k8s.rendering.environment_files import (
    ClusterRelease,
    chart_values,
    check_faults,
    check_version_is_free,
    read_platform,
    read_release,
    values_text,
)
from k8s.rendering.gateway import gateway_objects
from k8s.rendering.platform_values import PLATFORM, platform_differences, platform_images, platform_settings
from k8s.rendering.server_settings import faked_faults
from k8s.rendering.signature_rules import rules_file, signature_rules

_ROOT = Path(__file__).resolve().parents[2]
#: The rendered objects of the gateway; no service has such a name.
_GATEWAY: Final = "_gateway"
_HEAD: Final = "# Written by `make render`; change what it is made from.\n"


def followed(root: Path) -> list[str]:
    """The environments of a tree that clusters follow through Flux."""
    return sorted(path.parents[1].name for path in root.glob("k8s/envs/*/flux/kustomization.yaml"))


def rendered_file(environment: str, name: str) -> str:
    """The path of the rendered objects of a service or of the platform."""
    return f"k8s/envs/{environment}/rendered/{name}.yaml"


def release_changes(root: Path, environment: str, release: Release) -> dict[str, str]:
    """The files of a release, path -> text: its own file, and its objects if the environment is followed.

    Raises:
        DeployError: the release cannot run in this environment, its version already names another package there,
            or helm is missing.
        ComponentError: the release or the service's spec is wrong.
    """
    file = release_file(environment, release.service)
    check_version_is_free(root / file, release)
    if faked_faults(release):
        check_faults(release, read_platform(_platform_file(root, environment)), environment)
    texts = {file: release_text(release)}
    if environment in followed(root):
        whole = ClusterRelease.read(release.model_dump(exclude_none=True), file)
        texts[rendered_file(environment, release.service)] = service_objects(root, environment, whole)
    return texts


def repository_changes(repository: Repository, environment: str, release: Release) -> dict[str, str]:
    """As `release_changes`, made from the charts and specs of a branch's own newest commit."""
    with tempfile.TemporaryDirectory(prefix="canario-release-") as folder:
        repository.export(Path(folder))
        return release_changes(Path(folder), environment, release)


def _platform_file(root: Path, environment: str) -> Path:
    return root / environment_folder(environment) / "platform.yaml"


def service_objects(root: Path, environment: str, release: ClusterRelease) -> str:
    """The objects of a release in an environment.

    Raises:
        DeployError: the release cannot run there, or helm is missing.
        ComponentError: the service's spec is wrong.
    """
    spec = load_spec(root / "services" / release.service / "service.yaml")
    platform = read_platform(_platform_file(root, environment))
    values = chart_values(spec, release, platform)
    if spec.rollout.has_canary and values.get("autoscaler") == "none":
        raise EnvironmentFileError(
            f"{environment}/platform.yaml: with values.autoscaler none Flux would set the replicas that Flagger sets "
            "to 0; choose hpa or keda, or the strategy basic"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "values.yaml")
        file.write_text(values_text(values), encoding="utf-8")
        chart = root / "helm" / "model-service"
        return _objects(helm.render(chart, spec.name, platform.namespace, "--values", str(file)), platform.namespace)


def platform_objects(root: Path, environment: str, namespace: str = PLATFORM) -> str:
    """The objects of the platform's own services in an environment.

    Raises:
        DeployError: no repository is named for reverts, the chart refuses the values, or helm is missing.
    """
    differences = platform_differences(root, environment)
    values = load_yaml(differences.read_text(encoding="utf-8")) if differences.is_file() else None
    if not ((values or {}).get("environment") or {}).get("url"):
        raise EnvironmentFileError(
            f"{differences}: environment.url names no repository, so that no release that failed would be reverted; "
            "name the one that Flux follows"
        )
    pins = platform_images(differences.parent)
    images = ["--values", str(pins)] if pins.is_file() else []
    options = [*images, "--values", str(differences), *platform_settings(root, environment)]
    return _objects(helm.render(root / "helm" / PLATFORM, PLATFORM, namespace, *options), namespace)


def environment_gateway(root: Path, environment: str) -> list[dict[str, Any]]:
    """The objects of an environment's gateway; none where services attach to one of its own.

    Raises:
        EnvironmentFileError: the environment's platform.yaml is wrong.
    """
    platform = read_platform(_platform_file(root, environment))
    return [] if platform.has_own_gateway else gateway_objects(platform.gateway, platform.domain)


def wanted(root: Path, environment: str) -> dict[str, str]:
    """Every file that an environment of a tree should have beside those that people write, path -> text.

    Raises:
        DeployError: a release cannot run there, it does not say who signs, or helm is missing.
        ComponentError: a release or a spec is wrong.
    """
    texts = signature_rules(root, environment)
    if environment not in followed(root):
        return texts
    texts[rendered_file(environment, PLATFORM)] = platform_objects(root, environment)
    if gateway := environment_gateway(root, environment):
        texts[rendered_file(environment, _GATEWAY)] = _text_of(gateway)
    for service in sorted(path.parent.name for path in root.glob("services/*/service.yaml")):
        file = root / release_file(environment, service)
        if file.is_file():
            release = read_release(file, service)
            texts[rendered_file(environment, service)] = service_objects(root, environment, release)
    return texts


def differing(root: Path, environment: str, texts: dict[str, str]) -> list[str]:
    """The files of an environment that are out of date, missing, or without a release."""
    written = (*root.glob(rendered_file(environment, "*")), *root.glob(rules_file(environment)))
    there = {str(path.relative_to(root)): path for path in written}
    stale = [name for name, text in texts.items() if name not in there or there[name].read_text("utf-8") != text]
    return sorted({*stale, *(there.keys() - texts.keys())})


def _objects(manifests: str, namespace: str) -> str:
    """Manifests without Helm's hooks, each with its namespace; every version of Helm gives the same text."""
    documents = [one for one in yaml.safe_load_all(manifests) if one and not _is_hook(one)]
    for one in documents:
        one["metadata"].setdefault("namespace", namespace)
    return _text_of(documents)


def _text_of(documents: list[dict[str, Any]]) -> str:
    return _HEAD + yaml.dump_all(documents, Dumper=BlockDumper, sort_keys=False, width=120, allow_unicode=True)


def _is_hook(document: dict[str, Any]) -> bool:
    return "helm.sh/hook" in document["metadata"].get("annotations", {})


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when a file is out of date or cannot be written."""
    args = _parser().parse_args(arguments)
    known = sorted(path.parent.name for path in args.root.glob("k8s/envs/*/platform.yaml"))
    if args.env and args.env not in known:
        print(f"not rendered: {args.env} is no environment; environments are: {', '.join(known)}", file=sys.stderr)
        return 1
    try:
        # Each is asked, so that one that cannot be rendered does not hide what is wrong with the next.
        return max([_rendered(args, environment) for environment in ([args.env] if args.env else known)], default=0)
    except ToolError as error:
        if not args.check:
            print(f"not rendered: {error}", file=sys.stderr)
            return 1
        print(f"NOT RUN: whether what Flux applies is in step with the releases: {error}", file=sys.stderr)
        return 1 if os.environ.get("STRICT") else 0


def _rendered(args: argparse.Namespace, environment: str) -> int:
    """Writes or checks the files of one environment; returns the exit status.

    Raises:
        ToolError: helm is missing.
    """
    root = args.root
    try:
        texts = signature_rules(root, environment) if args.signers else wanted(root, environment)
    except ToolError:
        raise
    except (DeployError, ComponentError) as error:
        print(f"{environment} is not rendered: {error}", file=sys.stderr)
        return 1
    stale = [
        name for name in differing(root, environment, texts) if not args.signers or name == rules_file(environment)
    ]
    return _checked(stale) if args.check else _written(root, texts, stale)


def _checked(stale: Iterable[str]) -> int:
    for name in stale:
        print(f"{name} is not what its release asks for; `make render`, and commit both", file=sys.stderr)
    return 1 if stale else 0


def _written(root: Path, texts: dict[str, str], stale: Iterable[str]) -> int:
    for name in stale:
        if name in texts:
            write_atomically(root / name, texts[name])
        else:
            (root / name).unlink()
        print(f"{name} {'written' if name in texts else 'removed, it belongs to no release'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.rendering.render", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--env", default="", help="only this environment; without it, all")
    parser.add_argument("--signers", action="store_true", help="only the rules of admission about who signs")
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
