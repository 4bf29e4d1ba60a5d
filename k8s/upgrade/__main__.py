"""Upgrades the platform in the cluster that KUBECONFIG names: `python -m k8s.upgrade --env staging`.

It says what is there and what becomes of it, refuses what cannot go well, saves what MLflow keeps, brings definitions,
controllers and the chart canario to the versions of this tree, and looks whether the same pods serve, answer, and are
known to the registry as before. k8s/upgrade/README.md says more.
"""

from __future__ import annotations

import argparse
import sys

from k8s.errors import DeployError
from k8s.platform.__main__ import add_options, asked_for
from k8s.upgrade.preflight import UpgradeRequest, examine, with_flux
from k8s.upgrade.run import upgrade


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when the upgrade is refused or did not end well."""
    args = _parser().parse_args(arguments)
    asked = UpgradeRequest(tuple(args.skip), args.backup, args.redirect)
    try:
        wanted = with_flux(asked_for(args))
        plan = examine(wanted, asked)
        for line in plan.lines():
            _say(line)
        if args.plan:
            return 0
        for sentence in upgrade(wanted, asked, plan, _say):
            print(f"warning: {sentence}", file=sys.stderr, flush=True)
    except DeployError as error:
        print(f"not upgraded: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what serves goes on, and the same command goes on where it was", file=sys.stderr)
        return 130
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.upgrade", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--plan", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--skip", nargs="*", default=[], metavar="NAME", help="controllers that somebody else keeps")
    parser.add_argument("--backup", default="", metavar="ID", help="your backup of a database outside the cluster")
    parser.add_argument("--redirect", action="store_true", help="callers in plain HTTP may be sent to HTTPS now")
    return parser


if __name__ == "__main__":
    sys.exit(main())
