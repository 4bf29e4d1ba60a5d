"""Writes the rights that a run with `training.workers` needs, for one namespace and one service account.

    python -m k8s.training --namespace kubeflow [--account pipeline-runner] | kubectl apply -f -
        [--caller E-MAIL]    instead the rights of a caller from outside, such as a workflow's account

A caller may only look for the namespace's services and forward a port to their pods, as `k8s.cluster.tunnel` does.
"""

from __future__ import annotations

import argparse
import re
import sys

import yaml

from k8s.training.rights import caller_rights, rights

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_USER = re.compile(r"[A-Za-z0-9._-]+@[a-z0-9.-]+")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    allowed = caller_rights(args.namespace, args.caller) if args.caller else rights(args.namespace, args.account)
    print(yaml.safe_dump_all(allowed, sort_keys=False), end="")
    return 0


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name; allowed are small letters, digits, '-' and '.'")
    return text


def _user(text: str) -> str:
    if not _USER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no user such as training@example.iam.gserviceaccount.com")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--namespace", type=_name, required=True, help="where the runs' pods are")
    parser.add_argument(
        "--account", type=_name, default="pipeline-runner", help="the runs' service account (%(default)s)"
    )
    parser.add_argument("--caller", type=_user, help="a user outside, as the API server names it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
