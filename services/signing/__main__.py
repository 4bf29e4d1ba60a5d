"""Signs a package and lists the contents of its image: `python -m services.signing --spec services/churn/service.yaml`.

Both files are written beside the package; `make image` copies them into the image. The first signer of the
environment (`k8s/envs/<env>/signers.yaml`) signs; --key names the file of a key that is in no KMS.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.errors import ComponentError, SigningError
from components.files import write_atomically
from components.image.contents import ROOT
from components.package.model_package import read_package
from components.package.papers import materials_file
from components.signing.sbom import bill_of_materials
from components.signing.signer import key_signer, sign_package, workflow_signer
from components.signing.signer_options import add_signer_options, chosen_key
from components.spec.reading.loading import load_spec
from services.image.newest_package import newest_package
from services.model_server.build import LOCK_FILE


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 when nothing was signed."""
    args = _parser().parse_args(arguments)
    try:
        spec = load_spec(args.spec)
        package = read_package(args.package or newest_package(args.out / "train" / spec.name))
        if package.contract.name != spec.name:
            raise SigningError(f"{package.path}: is a package of {package.contract.name}, not of {spec.name}")
        key = chosen_key(args)
        signature = sign_package(package, key_signer(key) if key else workflow_signer())
        materials = write_atomically(materials_file(package.path), bill_of_materials(package, LOCK_FILE))
    except ComponentError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{package.digest} is signed; beside it lie {signature.name} and {materials.name} ({signature.parent})")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.signing", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="the model's service.yaml")
    parser.add_argument("--package", type=Path, help="folder of a package; by default the newest of `make train`")
    add_signer_options(parser)
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="where `make train` left its record")
    return parser


if __name__ == "__main__":
    sys.exit(main())
