"""What the models' namespace lets in: an environment's own rules, or these with another registry."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from components.errors import ImageRegistryError
from components.image.image_name import ImageName
from k8s.rendering.environment_registry import REGISTRY, annotation_path

_MODELS: Final = {"kind": "Namespace", "labelSelector": "canario/admission=models"}


def registry(text: str) -> str:
    """The registry and folder that an option names.

    Raises:
        argparse.ArgumentTypeError: no image can have a name below it.
    """
    try:
        ImageName.parse(f"{text}/image")
    except ImageRegistryError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no registry with a folder, such as registry.example.com/models"
        ) from error
    return text


@contextmanager
def rules(configs: Path, admitted: str | None) -> Iterator[Path]:
    """A folder for `kubectl apply --kustomize`, as long as this lasts.

    Args:
        configs: the environment's overlay of k8s/configs.
        admitted: registry and folder of the images to let in; None for what the environment says.
    """
    if admitted is None:
        yield configs
        return
    with tempfile.TemporaryDirectory(prefix="canario-door-") as folder:
        place = Path(folder).resolve()
        patch = [{"op": "replace", "path": annotation_path(REGISTRY), "value": admitted}]
        document = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            # Kustomize takes no absolute path.
            "resources": [os.path.relpath(configs.resolve(), place)],
            "patches": [{"target": _MODELS, "patch": yaml.safe_dump(patch)}],
        }
        (place / "kustomization.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        yield place
