"""Brings one service to the cluster that KUBECONFIG names: `python -m k8s.deploy --spec S --env E`.

The file `k8s/envs/<env>/<service>.yaml` decides what runs. With --version, or if there is no such file yet, it
is first written from the image that `make image` built last.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import SpecError
from components.files import write_atomically
from components.releases.release_file import Image, release_file
from components.spec.contract import Rollout
from components.spec.reading.loading import load_spec
from k8s.alerts.prerequisites import check_operator
from k8s.cluster import helm, kubectl, nodes
from k8s.cluster.gateway import addresses, read_gateway
from k8s.cluster.glass import broken_glass
from k8s.deploy import flux_sync, public_address, rollout_plan, rollout_progress
from k8s.deploy.public_address import PublicAddress
from k8s.errors import ClusterError, DeployError
from k8s.rendering.environment_files import (
    ClusterRelease,
    Platform,
    built_release,
    chart_values,
    read_platform,
    read_release,
    values_text,
)
from k8s.rendering.gateway import ca_file
from k8s.rendering.render import release_changes
from services.judge.simulate.answered import champion_for

_ROOT = Path(__file__).resolve().parents[2]
#: Flagger sees a new version when it looks next.
_USUAL_SECONDS = 600.0


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 if nothing was deployed, 2 for wrong input."""
    try:
        return deploy(arguments)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    except DeployError as error:
        print(f"not deployed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped looking; what was asked for goes on in the cluster", file=sys.stderr)
        return 130


def deploy(arguments: list[str] | None = None) -> int:
    """Does what the command line asks for; returns 0.

    Raises:
        SpecError: the service's spec is wrong.
        DeployError: nothing was deployed, or it does not run; a ClusterError where the cluster did not take it.
    """
    args = _parser().parse_args(arguments)
    spec = load_spec(args.spec)
    if not args.dry_run and flux_sync.is_followed(args.env):
        raise ClusterError(
            f"Flux follows k8s/envs/{args.env} in this cluster, so Git alone decides what runs; merge a release there "
            "by `make request`, `make propose` or `make promote`"
        )
    file_of_platform = f"k8s/envs/{args.env}/platform.yaml"
    platform = read_platform(args.root / file_of_platform)
    release = _release(args, spec.name)
    namespace = args.namespace or platform.namespace
    values = chart_values(spec, release, platform)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "values.yaml")
        file.write_text(values_text(values), encoding="utf-8")
        if args.dry_run:
            sys.stdout.write(helm.render(helm.CHART, spec.name, namespace, "--values", str(file)))
            return 0
        strategy = spec.rollout.strategy
        kubectl.check(namespace, strategy)
        check_operator(platform.alerts, file_of_platform)
        for gap in platform.alerts.gaps(file_of_platform):
            _warn(gap)
        for image in _images(release):
            nodes.bring(image, _say)
        service = rollout_progress.Service(spec.name, namespace, strategy, int(values["scale"]["min"]))
        before = rollout_progress.look(service)
        if strategy not in ("shadow", "basic"):
            _warn(
                rollout_plan.told(spec.name, namespace, _rollout(spec.rollout, values), usual=champion_for(spec.data))
            )
        print(f"{spec.name}: version {release.version} to {args.env} ({_image(release.image)})", flush=True)
        if glass := broken_glass(namespace):
            _warn(f"no signature is checked in {namespace}: the glass is {glass}")
        helm.install(spec.name, namespace, file)
        if before.canary.phase == "Initializing":
            kubectl.forget_champion(spec.name, namespace)
        timeout = args.timeout_seconds or _USUAL_SECONDS + 2 * spec.rollout.interval_seconds
        rollout_progress.follow(service, before, timeout, _say, to_the_end=args.follow)
    _tell_address(args.root, args.env, spec.name, platform)
    return 0


def _tell_address(root: Path, environment: str, service: str, platform: Platform) -> None:
    """Says how callers outside reach the service, and whether it answers there."""
    name = platform.gateway_reference
    place = platform.gateway.address or next(iter(addresses(read_gateway(name.namespace, name.name))), None)
    authority = ca_file(root, environment) if platform.gateway.has_tls else None
    known = authority if authority and authority.is_file() else None
    address = PublicAddress(platform.gateway.url(f"{service}.{platform.domain}"), place, known)
    for line in public_address.told(address, root):
        print(f"{service}: {line}", flush=True)


def _release(args: argparse.Namespace, service: str) -> ClusterRelease:
    """The environment's release, which is first written if it is new."""
    path: Path = args.root / release_file(args.env, service)
    if path.exists() and not args.version:
        return read_release(path, service)
    release = built_release(args.root / "build" / "images" / f"{service}.json", service, args.version or "1")
    changes = release_changes(args.root, args.env, release)
    if not args.dry_run:
        for file, text in changes.items():
            write_atomically(args.root / file, text)
        print(f"{service}: version {release.version} is written to {' and '.join(changes)}; commit that to keep it")
    return release


def _images(release: ClusterRelease) -> list[str]:
    """The images that pods of a release run."""
    candidate = [release.candidate.image] if release.candidate else []
    return [_image(image) for image in (release.image, *candidate)]


def _image(image: Image) -> str:
    return f"{image.repository}@{image.digest}" if image.digest else f"{image.repository}:{image.tag}"


def _rollout(rollout: Rollout, values: Mapping[str, Any]) -> Rollout:
    """The spec's rollout, with the environment's own interval."""
    return rollout.model_copy(update={"interval_seconds": float(values["rollout"]["interval_seconds"])})


def _warn(sentence: str) -> None:
    if sentence:
        print(f"warning: {sentence}", file=sys.stderr, flush=True)


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spec", type=Path, required=True, help="a service.yaml")
    parser.add_argument("--env", required=True, help="a folder of k8s/envs: local, staging or production")
    parser.add_argument("--version", help="release what `make image` built last, under this number")
    parser.add_argument("--namespace", help="instead of the environment's")
    parser.add_argument("--follow", action="store_true", help="wait for the verdict on a canary, too")
    parser.add_argument("--timeout-seconds", type=float, help="to wait for it (default 600, and two looks)")
    parser.add_argument("--dry-run", action="store_true", help="show the manifests and change nothing")
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
