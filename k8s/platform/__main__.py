"""Installs the platform in the cluster that KUBECONFIG names: `python -m k8s.platform [--env local] [--with keda]`.

In this order: missing controllers (k8s/controllers), namespaces with their limits and the admission rules for models
(k8s/envs/<env>/configs), the gateway with its certificate, the secret of the chart's own stores, and the chart
helm/canario. Safe to repeat: an existing controller or secret stays as it is, but for a self-signed certificate that
runs out. With `flux`, in an environment that has a folder `flux`, only the controllers and
that folder are installed; Flux then installs the rest from Git.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from k8s.alerts.prerequisites import check_operator, check_secret
from k8s.alerts.prometheus import lacking_rules
from k8s.cluster import kubectl, nodes
from k8s.cluster.program import run
from k8s.cluster.tunnel import ClusterService
from k8s.errors import ClusterError, DeployError, EnvironmentFileError
from k8s.platform.address import check_followed, check_reverted
from k8s.platform.door import registry, rules
from k8s.platform.gateway import GatewayPlan, bring_certificate, bring_gateway, require_certificate
from k8s.platform.installing import bring_controllers
from k8s.platform.tracking import Tracking, bring_secret, require_secret, store_size, tracking
from k8s.platform.waiting import waiting
from k8s.rendering.alerting import Alerting
from k8s.rendering.environment_files import read_platform
from k8s.rendering.platform_values import PLATFORM, platform_images, platform_settings
from k8s.rendering.signature_rules import check_rules

_ROOT = Path(__file__).resolve().parents[2]
_CHART = _ROOT / "helm" / PLATFORM
_ENVIRONMENTS = _ROOT / "k8s" / "envs"
_PROMETHEUS = ClusterService("PROMETHEUS", "monitoring", "prometheus", 9090)
#: A rule is loaded a few seconds after its ConfigMap is there.
_RULES_SECONDS = 15.0


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when something is not installed."""
    args = _parser().parse_args(arguments)
    try:
        _install(args)
    except DeployError as error:
        print(f"the platform is not installed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run it again to go on where it was", file=sys.stderr)
        return 130
    return 0


def _install(args: argparse.Namespace) -> None:
    flux = _ENVIRONMENTS / args.env / "flux"
    alerts_file = f"k8s/envs/{args.env}/platform.yaml"
    if "flux" in args.with_controllers and flux.is_dir():
        if args.admit:
            raise EnvironmentFileError(
                f"--admit: {args.admit} is not for an environment that Flux follows; write it into "
                f"k8s/envs/{args.env}/configs/kustomization.yaml"
            )
        check_followed(_ROOT, args.env)
        plan = _gateway(args.env)
        _reach()
        require_certificate(plan)
        bring_controllers(args.env, [*args.with_controllers, *plan.controllers], _say)
        bring_certificate(plan, _say)
        kubectl.apply("--kustomize", str(flux))
        _say(f"flux: follows k8s/envs/{args.env} in Git, and brings the rest from there; k8s/flux/README.md says how")
        _warn(read_platform(_ROOT / alerts_file).alerts.gaps(alerts_file))
        return
    given = [*_options("--set", args.set), *_options("--set-string", args.set_string)]
    objects = rendered(args.env, given)
    check_reverted(objects, args.env)
    admission = configs(args.env)
    wanted, plan = tracking(objects), _gateway(args.env)
    _reach()
    require_secret(wanted, PLATFORM)
    alerting = read_platform(_ROOT / alerts_file).alerts
    check_operator(alerting, alerts_file)
    require_certificate(plan)
    bring_controllers(args.env, [*args.with_controllers, *plan.controllers], _say)
    with rules(admission, args.admit) as folder:
        kubectl.apply("--kustomize", str(folder))
    let_in = f": {args.admit}" if args.admit else ""
    _say(f"namespaces: canario and models, with their limits, and what models lets in{let_in}")
    check_secret(alerting, PLATFORM)
    bring_gateway(plan, _say)
    bring_secret(wanted, PLATFORM, _say)
    for image in images(objects):
        nodes.bring(image, _say)
    _bring_platform(args, [*_options("--set", _stored(wanted)), *given])
    _warn(_silences(alerting, alerts_file))
    _say(f"{_brought(wanted)}; next: make deploy SERVICE=churn ENV={args.env}")


def _silences(alerting: Alerting, file: str) -> Iterator[str]:
    """A sentence for each reason why nobody would hear of an alert."""
    if alerting.rules == "configmap" and (lacking := lacking_rules(_PROMETHEUS, _RULES_SECONDS)):
        yield lacking
    yield from alerting.gaps(file)


def _gateway(environment: str) -> GatewayPlan:
    return GatewayPlan(_ROOT, environment, read_platform(_ENVIRONMENTS / environment / "platform.yaml"))


def _reach() -> None:
    kubectl.check_ready()


def _bring_platform(args: argparse.Namespace, options: list[str]) -> None:
    """Installs the chart and waits for its pods; the error names each pod that is not ready, and the reason."""
    seconds = args.timeout_seconds
    try:
        run([*platform_command(args.env, options), "--wait", "--timeout", f"{seconds:g}s"], seconds + 30)
    except ClusterError as error:
        pods = kubectl.get_json("-n", PLATFORM, "get", "pods")["items"]
        raise ClusterError("\n".join([str(error), *waiting(pods)])) from error


def images(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """The images of the pods of some objects, sorted, each once."""
    pods = [one["spec"]["template"]["spec"] for one in objects if "template" in one.get("spec", {})]
    containers = [container for pod in pods for container in (*pod.get("initContainers", ()), *pod["containers"])]
    return sorted({container["image"] for container in containers})


def _stored(wanted: Tracking) -> list[str]:
    if not wanted.stores:
        return []
    size = store_size(PLATFORM)
    _say(
        f"stores: each claims {size}"
        if size
        else "stores: this cluster has no default StorageClass, so what they hold goes when their pods go"
    )
    return [f"stores.size={size}"]


def _brought(wanted: Tracking) -> str:
    parts = ["the judge", *(["MLflow"] if wanted.secret else []), *(["its stores"] if wanted.stores else [])]
    return f"{', '.join(parts)}: ready"


def configs(environment: str) -> Path:
    """The folder with an environment's overlay of k8s/configs.

    Raises:
        EnvironmentFileError: the overlay is missing, so the admission rules are unknown; or its rules about signatures
            are not those of the environment's signers.
    """
    folder = _ENVIRONMENTS / environment / "configs"
    if not (folder / "kustomization.yaml").is_file():
        known = sorted(found.parents[1].name for found in _ENVIRONMENTS.glob("*/configs/kustomization.yaml"))
        raise EnvironmentFileError(f"{folder} has no kustomization.yaml; environments are: {', '.join(known)}")
    check_rules(_ROOT, environment)
    return folder


def _options(option: str, settings: Iterable[str]) -> list[str]:
    return [word for setting in settings for word in (option, setting)]


def rendered(environment: str, options: list[str]) -> list[dict[str, Any]]:
    """The objects of the platform's own chart, with more of Helm's options.

    Raises:
        ClusterError: the chart refuses a value.
    """
    text = run(["helm", "template", *_chart(environment, options)])
    return [one for one in yaml.safe_load_all(text) if one]


def platform_command(environment: str, options: list[str]) -> list[str]:
    """The helm command that installs the platform's own chart, with more options."""
    return ["helm", "upgrade", "--install", *_chart(environment, options)]


def _chart(environment: str, options: list[str]) -> list[str]:
    """Helm's arguments for the chart's name, path and values; an environment's own values are optional."""
    folder = _ENVIRONMENTS / environment
    words = [PLATFORM, str(_CHART), "--namespace", PLATFORM, *platform_settings(_ROOT, environment)]
    for values in (platform_images(folder), folder / f"{PLATFORM}.yaml"):
        words += ["--values", str(values)] if values.is_file() else []
    return [*words, *options]


def _say(line: str) -> None:
    print(line, flush=True)


def _warn(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        print(f"warning: {sentence}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.platform", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", default="local", help="a folder of k8s/envs (default local)")
    parser.add_argument(
        "--with", dest="with_controllers", nargs="*", default=[], metavar="NAME", help="optional controllers to add"
    )
    parser.add_argument("--admit", type=registry, metavar="HOST/FOLDER", help="the registry that models lets in")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a value of helm/canario")
    parser.add_argument(
        "--set-string", action="append", default=[], metavar="KEY=VALUE", help="a value that is text, such as a tag 1"
    )
    parser.add_argument("--timeout-seconds", type=float, default=300, help="longest wait for the pods (default 300)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
