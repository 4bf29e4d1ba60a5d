"""YAML in which everything means what it seems to mean.

Plain YAML 1.1 keeps the last of two equal keys, and reads Yes as true, 010 as
eight and 12:30 as 750. This reader refuses each of these and names the line.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import yaml

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_MERGE = "tag:yaml.org,2002:merge"


def load_yaml(text: str) -> Any:
    """The document in a text.

    Raises:
        ValueError: the text is not YAML, or does not mean what it seems to mean; names the line.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise ValueError(_sentence(error)) from error
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error
    except RecursionError as error:
        raise ValueError("not YAML: nested too deeply") from error


def _sentence(error: yaml.MarkedYAMLError) -> str:
    place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
    kind = "" if isinstance(error, yaml.constructor.ConstructorError) else "not YAML: "
    return place + kind + ", ".join(part for part in (error.context, error.problem) if part)


class _StrictLoader(yaml.SafeLoader):
    """A SafeLoader that refuses everything YAML 1.1 would misread."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fault("a key is one word or a text in quotes", key_node)
            if key_node.value in seen:
                raise _fault(f"the key {key_node.value!r} stands twice", key_node)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_bool(self, node: yaml.ScalarNode) -> bool:
        word = str(node.value)
        if word.lower() not in ("true", "false"):
            meant = "true" if word.lower() in ("yes", "on") else "false"
            raise _fault(f'{word} without quotes means {meant}; write "{word}" for the word, or {meant}', node)
        return bool(super().construct_yaml_bool(node))

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        if not _WHOLE.fullmatch(node.value):
            raise _fault(f'{node.value} without quotes is read as another number; write "{node.value}" for text', node)
        try:
            return int(node.value)
        except ValueError as error:
            raise _fault(f"a whole number of {len(node.value)} digits is too long", node) from error

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> date:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            raise _fault(f"{node.value} is no day or time: {error}", node) from error


def _fault(sentence: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, sentence, node.start_mark)


for _kind in ("bool", "int", "timestamp"):
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", getattr(_StrictLoader, f"construct_yaml_{_kind}"))
