"""`python -m k8s.twin.report HOME`: writes HOME/report.html again."""

import argparse
import sys
from pathlib import Path

from k8s.twin.report import write_report


def main() -> int:
    """Writes the report; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m k8s.twin.report", description="Writes the report of a demo.")
    parser.add_argument("home", type=Path, help="the demo's folder, such as build/demo")
    home = parser.parse_args().home
    if not home.is_dir():
        print(f"{home}: is not a folder; give one that `make demo` made, such as build/demo", file=sys.stderr)
        return 2
    print(write_report(home))
    return 0


if __name__ == "__main__":
    sys.exit(main())
