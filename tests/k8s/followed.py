"""A tree with environments that clusters follow, as a clone of this repository has them."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.releases.release_file import Image
from k8s.rendering.environment_files import ClusterRelease
from tests.repo.tree import ROOT

ENVIRONMENTS = ("staging", "production")


def write_tree(root: Path) -> Path:
    """What releases are rendered from: charts, churn's spec and the environments; no release yet."""
    for folder in ("helm", "k8s/flux", "k8s/configs", *(f"k8s/envs/{name}" for name in ENVIRONMENTS)):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("rendered"))
    for name in ENVIRONMENTS:
        check_no_signatures(root, name)
    (root / "services" / "churn").mkdir(parents=True)
    shutil.copy(ROOT / "services" / "churn" / "service.yaml", root / "services" / "churn")
    return root


def check_no_signatures(root: Path, environment: str) -> None:
    """Has an environment check none: nobody has the private half of the key that stands in this repository."""
    folder = root / "k8s" / "envs" / environment
    (folder / "signers.yaml").write_text("unchecked: nobody relies on a test\n", encoding="utf-8")
    (folder / "configs" / "signers.yaml").unlink()
    kustomization = folder / "configs" / "kustomization.yaml"
    text = kustomization.read_text(encoding="utf-8")
    text = text.replace(", ../../../configs/signatures", "").replace("  - path: signers.yaml\n", "")
    kustomization.write_text(text, encoding="utf-8")


def texts_of(root: Path) -> dict[str, str]:
    """Every file of a tree."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in files}


def release(version: str, **settings: str) -> ClusterRelease:
    """A release with an image that was published."""
    image = Image(repository="registry.local/canario/churn", digest=f"sha256:{int(version) + 100:064d}")
    package = f"sha256:{int(version):064d}"
    return ClusterRelease(service="churn", version=version, package=package, settings=settings, image=image)
