"""The platform's own chart in an environment: its values, its objects, and its installation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from k8s.cluster import kubectl
from k8s.cluster.program import run
from k8s.errors import ClusterError, EnvironmentFileError
from k8s.platform.waiting import waiting
from k8s.rendering.platform_values import PLATFORM, platform_images, platform_settings
from k8s.rendering.signature_rules import check_rules

#: This tree, which has the charts; an environment's files may be in another.
ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "helm" / PLATFORM


def environment_files(root: Path, environment: str) -> Path:
    """The folder of an environment's files."""
    return root / "k8s" / "envs" / environment


def configs(environment: str, root: Path = ROOT) -> Path:
    """The folder with an environment's overlay of k8s/configs.

    Raises:
        EnvironmentFileError: the overlay is missing, so the admission rules are unknown; or its rules about signatures
            are not those of the environment's signers.
    """
    folder = environment_files(root, environment) / "configs"
    if not (folder / "kustomization.yaml").is_file():
        known = sorted(found.parents[1].name for found in folder.parents[1].glob("*/configs/kustomization.yaml"))
        raise EnvironmentFileError(f"{folder} has no kustomization.yaml; environments are: {', '.join(known)}")
    check_rules(root, environment)
    return folder


def images(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """The images of the pods of some objects, sorted, each once."""
    pods = [one["spec"]["template"]["spec"] for one in objects if "template" in one.get("spec", {})]
    return sorted({image for pod in pods for image in images_of(pod)})


def images_of(pod: Mapping[str, Any]) -> list[str]:
    """The images of the containers in a pod's spec."""
    return [container["image"] for container in (*pod.get("initContainers", ()), *pod["containers"])]


def rendered(environment: str, options: Sequence[str], root: Path = ROOT) -> list[dict[str, Any]]:
    """The objects of the platform's own chart, with more of Helm's options.

    Raises:
        ClusterError: the chart refuses a value.
    """
    text = run(["helm", "template", *_chart(root, environment, options)])
    return [one for one in yaml.safe_load_all(text) if one]


def platform_command(environment: str, options: Sequence[str], root: Path = ROOT) -> list[str]:
    """The helm command that installs the platform's own chart, with more options."""
    return ["helm", "upgrade", "--install", *_chart(root, environment, options)]


def bring_platform(environment: str, options: Sequence[str], seconds: float, root: Path = ROOT) -> None:
    """Installs the chart and waits for its pods.

    Raises:
        ClusterError: it is refused, or pods are not ready in time; names each of them, and the reason.
    """
    command = [*platform_command(environment, options, root), "--wait", "--timeout", f"{seconds:g}s"]
    try:
        run(command, seconds + 30)
    except ClusterError as error:
        pods = kubectl.get_json("-n", PLATFORM, "get", "pods")["items"]
        raise ClusterError("\n".join([str(error), *waiting(pods)])) from error


def _chart(root: Path, environment: str, options: Sequence[str]) -> list[str]:
    """Helm's arguments for the chart's name, path and values; an environment's own values are optional."""
    folder = environment_files(root, environment)
    words = [PLATFORM, str(CHART), "--namespace", PLATFORM, *platform_settings(root, environment)]
    for values in (platform_images(folder), folder / f"{PLATFORM}.yaml"):
        words += ["--values", str(values)] if values.is_file() else []
    return [*words, *options]
