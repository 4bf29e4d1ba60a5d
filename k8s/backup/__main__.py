"""Backs up what MLflow keeps in the platform's own stores, or restores it.

python -m k8s.backup --env local [--out build/backup/local]
python -m k8s.backup --env local --restore build/backup/local/20260102T030405Z
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from k8s.backup.backup import Place, take_backup
from k8s.backup.restore import restore
from k8s.cluster.kubectl import check_ready
from k8s.errors import DeployError
from k8s.platform.chart import ROOT, environment_files
from k8s.rendering.environment_files import read_platform
from k8s.rendering.platform_values import PLATFORM


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when nothing was backed up or restored."""
    args = _parser().parse_args(arguments)
    place = Place(args.env, PLATFORM)
    try:
        read_platform(environment_files(ROOT, args.env) / "platform.yaml")
        check_ready()
        if args.restore:
            restore(place, args.restore, _say)
        else:
            take_backup(place, args.out or ROOT / "build" / "backup" / args.env, _say)
    except DeployError as error:
        print(f"{'not restored' if args.restore else 'no backup'}: {error}", file=sys.stderr)
        return 1
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m k8s.backup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", required=True, help="a folder of k8s/envs")
    parser.add_argument("--out", type=Path, help="where backups are kept (default build/backup/<env>)")
    parser.add_argument("--restore", type=Path, metavar="FOLDER", help="a backup to bring back")
    return parser


if __name__ == "__main__":
    sys.exit(main())
