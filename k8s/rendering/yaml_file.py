"""Reads the YAML files that describe a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from components.spec.contract import ClosedModel
from components.spec.reading.strict_yaml import load_yaml
from k8s.errors import EnvironmentFileError

Content = TypeVar("Content", bound=ClosedModel)


def read_file(model: type[Content], path: Path) -> Content:
    """The content of a YAML file.

    Raises:
        FileNotFoundError: the file is missing.
        EnvironmentFileError: the file is wrong; the message names every fault.
    """
    try:
        return model.model_validate(load_yaml(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))
        raise EnvironmentFileError("\n".join(f"{path}: {fault}" for fault in faults)) from error
    except ValueError as error:
        raise EnvironmentFileError(f"{path}: {error}") from error
