"""The options by which a command is told who signs."""

from __future__ import annotations

import argparse
from pathlib import Path

from components.code import ROOT
from components.signing.key_place import check_key_place
from components.signing.signers import key_of


def add_signer_options(parser: argparse.ArgumentParser) -> None:
    """Adds --env and --key."""
    parser.add_argument("--env", default="local", help="the environment for which is signed (default local)")
    parser.add_argument("--key", default="", help="the signer's private key: a file, or an address in a KMS")
    parser.add_argument("--environments", type=Path, default=ROOT / "k8s" / "envs", help=argparse.SUPPRESS)


def chosen_key(args: argparse.Namespace) -> str | None:
    """What signs: a file, an address in a KMS, or None for the running workflow's identity.

    Raises:
        SigningError: the environment believes another key, or needs to be given one; or a commit could give it away.
    """
    check_key_place(args.key)
    return key_of(args.environments / args.env, args.key)
