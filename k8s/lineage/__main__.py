"""Follows the chain of a service back to its data: `python -m k8s.lineage --spec services/churn/service.yaml`."""

from __future__ import annotations

import argparse
import ssl
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx
import yaml

from components.code import ROOT
from components.errors import ComponentError
from components.releases.release_file import release_file
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from k8s.cluster import helm, kubectl
from k8s.errors import DeployError
from k8s.lineage.image_layout import image_layout
from k8s.lineage.links import Link, LinkSources, verify
from k8s.lineage.live import Object
from k8s.rendering.environment_files import Platform, chart_values, read_platform, read_release, values_text
from k8s.rendering.gateway import ca_file
from services import telemetry
from services.image.newest_package import newest_package

_LINKS = (
    *("answer", "live", "chart", "deployment", "image", "materials"),
    *("signature", "code", "lock", "run", "snapshot"),
)


def main(arguments: list[str] | None = None) -> int:
    """Prints each link; returns 0 when every link that is not excluded was checked and is ok."""
    args = _parser().parse_args(arguments)
    try:
        spec = load_spec(args.spec)
        platform = read_platform(ROOT / "k8s" / "envs" / args.env / "platform.yaml")
        with tempfile.TemporaryDirectory(prefix="canario-verify-") as scratch:
            links = verify(spec.name, _places(spec, platform, args, Path(scratch)))
    except (ComponentError, DeployError, OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        print(error, file=sys.stderr)
        return 1
    for link in links:
        print(_line(link, excluded=link.name in args.exclude))
    wanted = [link for link in links if link.name not in args.exclude]
    print(_summary(wanted))
    return 1 if any(link.fault for link in wanted) else 0


def _line(link: Link, *, excluded: bool) -> str:
    found = "REFUSED" if link.checked else "not checked"
    state = "ok" if not link.fault else "excluded" if excluded else found
    return f"{link.name:<11} {state:<12} {link.fault or link.says}"


def _summary(links: Sequence[Link]) -> str:
    """The links that had to hold, counted; what was not checked is no pass."""
    refused = [link.name for link in links if link.fault and link.checked]
    unchecked = [link.name for link in links if not link.checked]
    held = f"{len(links) - len(refused) - len(unchecked)} of {len(links)} links hold"
    if refused:
        return f"{held}; REFUSED: {', '.join(refused)}"
    if unchecked:
        return f"{held} and nothing is refused; not checked, so not proven (or EXCLUDE=them): {', '.join(unchecked)}"
    return held


def _places(spec: Spec, platform: Platform, args: argparse.Namespace, scratch: Path) -> LinkSources:
    release = args.release or ROOT / release_file(args.env, spec.name)
    namespace = args.namespace or platform.namespace
    return LinkSources(
        package=args.package or newest_package(args.build / "train" / spec.name),
        release=release,
        image=args.record or args.build / "images" / f"{spec.name}.json",
        code=ROOT,
        store=args.store or str(args.build / "store"),
        mlflow=args.mlflow or f"sqlite:///{(args.build / 'mlflow' / 'mlflow.db').resolve()}",
        served=args.header or (_header_at(args.url, args.ca or _authority(args.env)) if args.url else None),
        public_key=args.key.read_text(encoding="utf-8") if args.key else _public_key(platform),
        pulled=args.layout,
        export=lambda built: image_layout(built, args.build / "images" / spec.name, scratch),
        running=lambda: kubectl.objects(namespace, "deployments,pods", spec.name),
        rendered=lambda: _rendered(spec, platform, release, namespace, scratch),
    )


def _public_key(platform: Platform) -> str:
    signing = platform.values.get("signing")
    return str(signing.get("publicKey", "")) if isinstance(signing, dict) else ""


def _rendered(spec: Spec, platform: Platform, release: Path, namespace: str, scratch: Path) -> Sequence[Object]:
    values = scratch / "values.yaml"
    values.write_text(values_text(chart_values(spec, read_release(release, spec.name), platform)), encoding="utf-8")
    manifests = helm.render(helm.CHART, spec.name, namespace, "--values", str(values))
    return [one for one in yaml.safe_load_all(manifests) if one]


def _header_at(url: str, authority: Path | None) -> str:
    """The receipt that a server names; "none", which matches no digest, if it names none."""
    trust = ssl.create_default_context(cafile=str(authority) if authority else None)
    answer = httpx.get(f"{url.rstrip('/')}/readyz", timeout=10, verify=trust)
    return str(answer.headers.get(telemetry.RECEIPT_HEADER, "none"))


def _authority(environment: str) -> Path | None:
    """The authority that `make platform` left here for the environment's callers."""
    file = ca_file(ROOT, environment)
    return file if file.is_file() else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m k8s.lineage", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--env", default="local", help="the environment whose release is followed (%(default)s)")
    parser.add_argument("--package", type=Path, help="folder of a package; by default the newest of `make train`")
    parser.add_argument("--release", type=Path, help="a release file; by default the environment's")
    parser.add_argument("--record", type=Path, help="an image's record; by default that of `make image`")
    parser.add_argument(
        "--layout", type=Path, help="OCI layout of the image from its registry; by default a local export"
    )
    parser.add_argument("--key", type=Path, help="PEM public key of the signer; by default the environment's")
    parser.add_argument("--mlflow", help="the registry's URI; by default that of `make train`")
    parser.add_argument("--store", help="folder or URI of snapshots; by default that of `make train`")
    parser.add_argument("--namespace", help="the service's namespace; by default the environment's")
    parser.add_argument(
        "--ca", type=Path, help="PEM file with the authority of the server's certificate; by default the environment's"
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--url", help="the server to ask")
    source.add_argument("--header", help=f"the {telemetry.RECEIPT_HEADER} of an answer")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="folder of records")
    parser.add_argument("--exclude", nargs="+", default=[], choices=_LINKS, help="links that need not hold")
    return parser


if __name__ == "__main__":
    sys.exit(main())
