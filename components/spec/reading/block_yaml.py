"""Writes YAML for people: a text of several lines, such as a key in PEM, is a block of lines."""

from __future__ import annotations

import yaml


class BlockDumper(yaml.SafeDumper):
    """Writes a text of several lines as a block, so that a review shows which lines changed."""

    def ignore_aliases(self, _data: object) -> bool:
        """Returns True: every object is written out in full, without YAML aliases."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


BlockDumper.add_representer(str, _text)
