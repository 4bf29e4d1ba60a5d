"""What the models' namespace lets in: an environment's own rules, or these with another registry."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

_ANNOTATION: Final = "/metadata/annotations/canario~1registry"
_MODELS: Final = {"kind": "Namespace", "labelSelector": "canario/admission=models"}


@contextmanager
def rules(configs: Path, registry: str) -> Iterator[Path]:
    """A folder for `kubectl apply --kustomize`, as long as this lasts.

    Args:
        configs: the environment's overlay of k8s/configs.
        registry: host and folder of the images to admit; empty for what the environment says.
    """
    if not registry:
        yield configs
        return
    with tempfile.TemporaryDirectory(prefix="canario-door-") as folder:
        place = Path(folder).resolve()
        patch = [{"op": "replace", "path": _ANNOTATION, "value": registry}]
        document = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            # Kustomize takes no absolute path.
            "resources": [os.path.relpath(configs.resolve(), place)],
            "patches": [{"target": _MODELS, "patch": yaml.safe_dump(patch)}],
        }
        (place / "kustomization.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        yield place
