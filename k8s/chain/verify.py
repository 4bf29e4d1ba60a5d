"""Follows the chain of a service back to its data: `python -m k8s.chain.verify --spec services/churn/service.yaml`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import httpx

from components.errors import ComponentError
from components.provenance import ROOT
from components.spec import load_spec
from k8s.chain.links import Link, Places, follow
from services import telemetry
from services.image.trained import trained_package

_LINKS = ("answer", "deployment", "chart", "image", "code", "lock", "run", "snapshot")


def main(arguments: list[str] | None = None) -> int:
    """Prints each link; 0 when every one that was not excluded is ok."""
    asked = _parser().parse_args(arguments)
    try:
        service = load_spec(asked.spec).name
        links = follow(service, _places(service, asked))
    except (ComponentError, OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        print(error, file=sys.stderr)
        return 1
    for link in links:
        print(_line(link, excluded=link.name in asked.exclude))
    return 1 if any(link.fault and link.name not in asked.exclude for link in links) else 0


def _line(link: Link, *, excluded: bool) -> str:
    state = "ok" if not link.fault else "excluded" if excluded else "REFUSED"
    return f"{link.name:<11} {state:<9} {link.fault or link.says}"


def _places(service: str, asked: argparse.Namespace) -> Places:
    return Places(
        package=asked.package or trained_package(asked.build / "train" / service),
        release=ROOT / "k8s" / "envs" / asked.env / f"{service}.yaml",
        image=asked.build / "images" / f"{service}.json",
        code=ROOT,
        store=asked.build / "store",
        mlflow=f"sqlite:///{(asked.build / 'mlflow' / 'mlflow.db').resolve()}",
        served=asked.header or (_header_at(asked.url) if asked.url else None),
    )


def _header_at(url: str) -> str:
    """The receipt that a server names, or "none", which is no package's digest."""
    return str(httpx.get(f"{url.rstrip('/')}/readyz", timeout=10).headers.get(telemetry.RECEIPT_HEADER, "none"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m k8s.chain.verify", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--env", default="local", help="the environment whose release is followed (%(default)s)")
    parser.add_argument("--package", type=Path, help="folder of a package; by default that of `make train`")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--url", help="a server to ask")
    source.add_argument("--header", help=f"what an answer's {telemetry.RECEIPT_HEADER} said")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="where records are")
    parser.add_argument("--exclude", nargs="+", default=[], choices=_LINKS, help="links that need not hold")
    return parser


if __name__ == "__main__":
    sys.exit(main())
