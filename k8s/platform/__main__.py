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
from pathlib import Path

from k8s.errors import DeployError
from k8s.platform.chart import ROOT
from k8s.platform.door import registry
from k8s.platform.install import Installation, install


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when something is not installed."""
    args = _parser().parse_args(arguments)
    try:
        for sentence in install(asked_for(args), _say):
            print(f"warning: {sentence}", file=sys.stderr, flush=True)
    except DeployError as error:
        print(f"the platform is not installed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run it again to go on where it was", file=sys.stderr)
        return 130
    return 0


def asked_for(args: argparse.Namespace) -> Installation:
    """What the command line asks for."""
    options = (("--set", args.set), ("--set-string", args.set_string))
    given = tuple(word for option, settings in options for setting in settings for word in (option, setting))
    return Installation(args.env, args.root, tuple(args.with_controllers), args.admit, given, args.timeout_seconds)


def _say(line: str) -> None:
    print(line, flush=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of an installation."""
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
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.platform", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
