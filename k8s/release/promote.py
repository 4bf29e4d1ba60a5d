"""`make promote`: proposes a release that runs well in one environment for another.

    python -m k8s.release.promote --service churn --from staging --to production --repository URL
        (--record events.jsonl | --namespace models [--context C])
        [--merge [--target-record events.jsonl | --target-namespace models [--target-context C]]]

Where the two environments admit different registries, the image is copied with its signatures; the logins are those of
`docker login`. Exits 0 when the release is proposed (and merged), or already runs there; 1 when it is refused.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.errors import ComponentError
from components.signing.key_place import check_key_place
from k8s.errors import DeployError
from k8s.release.errors import PromotionError
from k8s.release.promotion import Promotion, merge, propose, withdraw
from k8s.release.service_status import ServiceStatus, status_in_cluster, status_on_twin


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    args = _parser().parse_args(arguments)
    try:
        return _promote(args)
    except (PromotionError, ComponentError, DeployError) as error:
        print(f"not promoted: {error}", file=sys.stderr)
        return 1


def _promote(args: argparse.Namespace) -> int:
    check_key_place(args.key)
    promotion = Promotion(args.repository, args.service, args.source, args.target, args.branch, args.key)
    standing = _standing(args.service, args.record, args.namespace, args.context)
    if standing is None:
        raise PromotionError(f"how {args.source} stands is not known; give --record or --namespace")
    proposal = propose(promotion, standing, print)
    if proposal is None:
        print(f"{args.target} has version {standing.version} already")
        return 0
    print(f"{proposal.commit.subject}: branch {proposal.branch}")
    if args.merge:
        there = _standing(args.service, args.target_record, args.target_namespace, args.target_context)
        print(f"merged: {merge(promotion, proposal.branch, there).id}")
        if left := withdraw(promotion, proposal):
            print(f"{proposal.branch} stays: {left}")
    return 0


def _standing(service: str, record: Path | None, namespace: str, context: str) -> ServiceStatus | None:
    if record is not None:
        return status_on_twin(record)
    return status_in_cluster(service, namespace, context) if namespace else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.release.promote", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--service", required=True)
    parser.add_argument("--from", dest="source", required=True, help="the environment in which the release has passed")
    parser.add_argument("--to", dest="target", required=True, help="the environment to promote it to")
    parser.add_argument("--repository", required=True, help="path or URL of the environment repository")
    parser.add_argument("--branch", default="main", help="the branch that the environments follow (default main)")
    parser.add_argument("--key", default="", help="what signs for the target: a file, or an address in a KMS")
    parser.add_argument("--merge", action="store_true", help="merge the proposal at once")
    for prefix, whose in (("", "FROM"), ("target-", "TO")):
        parser.add_argument(f"--{prefix}record", type=Path, help=f"status of {whose}: a twin's events.jsonl")
        parser.add_argument(f"--{prefix}namespace", default="", help=f"status of {whose}: a cluster's namespace")
        parser.add_argument(f"--{prefix}context", default="", help="the cluster's name in KUBECONFIG")
    return parser


if __name__ == "__main__":
    sys.exit(main())
