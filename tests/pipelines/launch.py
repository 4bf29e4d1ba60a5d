"""Launches one step in its pod as Kubeflow's launcher does, and refuses what that refuses.

    python launch.py --executor_input JSON --component_spec JSON --root URI COMMAND ...

It copies from launcher_v2.go of Kubeflow Pipelines 2.17:

- folders are made for what the step writes; artifacts lie below /s3, /gcs or /minio
- a step that fails ends with 1, whatever its own code was
- a parameter that the step did not write is a failure; an artifact that it did not write is a warning
- an artifact outside the run's root is a failure, after the step's work is done

The last line on stdout holds the step's parameters, which Kubeflow keeps in its database. Only the standard library is
loaded until artifacts are uploaded, because this runs in the image of any step.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

#: What begins the line with the step's parameters.
TOLD: Final = "launched: "
_INPUT: Final = "{{$}}"
_PLACES: Final = {"s3://": "/s3/", "gs://": "/gcs/", "minio://": "/minio/"}


class LaunchError(Exception):
    """Kubeflow would refuse this step; the message is that of its launcher."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line; the exit status is 1 for every kind of failure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--executor_input", type=json.loads, required=True)
    parser.add_argument("--component_spec", type=json.loads, required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    try:
        values = launch(options.executor_input, options.component_spec, options.root, options.command)
    except LaunchError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{TOLD}{json.dumps(values)}")
    return 0


def launch(given: Mapping[str, Any], component: Mapping[str, Any], root: str, command: list[str]) -> dict[str, Any]:
    """Runs the step and uploads its artifacts; returns its output parameters.

    Args:
        given: inputs and places of the outputs, as KFP's executor reads them.
        component: the component's part of the compiled pipeline.
        root: the folder of the run's artifacts.
        command: the step's command and arguments.

    Raises:
        LaunchError: the step failed, or did what Kubeflow refuses.
    """
    outputs = given["outputs"]
    for path in (*(one["outputFile"] for one in outputs["parameters"].values()), outputs["outputFile"]):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    for listed in outputs["artifacts"].values():
        local_path(listed["artifacts"][0]["uri"]).parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([_filled(word, given) for word in command], check=False)
    if done.returncode:
        raise LaunchError(f"failed to execute component: exit status {done.returncode}")
    file = Path(outputs["outputFile"])
    told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    values = _parameters(outputs["parameters"], told.get("parameterValues", {}), component)
    for name, listed in outputs["artifacts"].items():
        moved = told.get("artifacts", {}).get(name, listed)["artifacts"][0]
        _upload(name, moved.get("uri", listed["artifacts"][0]["uri"]), root)
    return values


def local_path(uri: str) -> Path:
    """The place of an artifact in the pod.

    Raises:
        LaunchError: no store that Kubeflow knows.
    """
    for scheme, folder in _PLACES.items():
        if uri.startswith(scheme):
            return Path(folder, uri.removeprefix(scheme))
    raise LaunchError(f"failed to generate local path for URI {uri}: unsupported storage scheme")


def _filled(word: str, given: Mapping[str, Any]) -> str:
    filled = json.dumps(given) if word == _INPUT else word
    if word != _INPUT and "{{$" in word:
        raise LaunchError(f"this launcher fills {_INPUT} alone, and not {word!r}")
    return filled


def _parameters(wanted: Mapping[str, Any], told: Mapping[str, Any], component: Mapping[str, Any]) -> dict[str, Any]:
    """The step's parameters: those of its list, else each from its file."""
    values: dict[str, Any] = dict(told)
    kinds = component.get("outputDefinitions", {}).get("parameters", {})
    for name in wanted.keys() - told.keys():
        if name not in kinds:
            raise LaunchError(f'failed to find output parameter name="{name}" in component spec')
        path = wanted[name]["outputFile"]
        try:
            values[name] = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise LaunchError(f'failed to read output parameter name="{name}" path="{path}": {error}') from error
    return values


def _upload(name: str, uri: str, root: str) -> None:
    path = local_path(uri)
    if not uri.startswith(f"{root}/"):
        raise LaunchError(
            f'failed to upload output artifact "{name}": URI "{uri}" does not have expected bucket prefix "{root}"'
        )
    if not path.exists():
        print(f'Local filepath "{path}" does not exist', file=sys.stderr)
        return
    import fsspec

    fsspec.core.url_to_fs(uri)[0].put(str(path), uri, recursive=path.is_dir())


if __name__ == "__main__":
    sys.exit(main())
