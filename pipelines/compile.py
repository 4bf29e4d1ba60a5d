"""Writes the training graph as the IR YAML that Kubeflow Pipelines runs.

    python -m pipelines.compile --spec services/churn/service.yaml --output build/churn-pipeline.yaml

The same spec gives the same bytes, on every machine and in every folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from kfp import compiler

from components.errors import ComponentError
from components.image.step_images import steps_image
from components.jobs.node_pools import provider_named
from components.spec.contract import Spec
from components.spec.reading.loading import load_spec
from components.spec.views import without_folder
from pipelines.pods import PLAIN, PodSettings
from pipelines.training import training_pipeline


def compile_pipeline(spec: Spec, image: str = "", pods: PodSettings = PLAIN) -> str:
    """The IR YAML of a spec's training graph; without `image`, its steps run on this tree's own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pipeline.yaml")
        compiler.Compiler().compile(
            training_pipeline(without_folder(spec), image or steps_image(), pods=pods), str(path)
        )
        return path.read_text(encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.compile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--image", default="", help="the image of every step; by default that of this tree")
    parser.add_argument("--pools", default="canario", help="labels of canario, gke, eks or aks (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        pods = PodSettings(pools=provider_named(options.pools))
        text = compile_pipeline(load_spec(options.spec), options.image, pods)
    except ComponentError as error:
        print(error, file=sys.stderr)
        return 2
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text, encoding="utf-8")
    print(f"{options.output}: {len(text.splitlines()):,} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
