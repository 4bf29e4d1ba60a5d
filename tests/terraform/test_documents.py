"""Each module's README is what its files say."""

from __future__ import annotations

import shutil
from pathlib import Path

from terraform.documents import HERE, Block, blocks, document, first_comment, stale

VARIABLES = """
variable "size" {
  description = "How large."
  type = object({
    nodes = optional(number, 3)
    zones = optional(set(string), [])
  })
  default = {}
  validation {
    condition     = var.size.nodes > 0
    error_message = "size.nodes must be 1 or more."
  }
}

variable "name" {
  description = "What it is called."
  type        = string
}
"""


def test_no_readme_is_stale() -> None:
    assert stale(HERE / "modules") == [], "make tf-documents writes them"


def test_a_change_makes_a_readme_stale(tmp_path: Path) -> None:
    module = Path(shutil.copytree(HERE / "modules" / "registry", tmp_path / "registry"))
    assert stale(tmp_path) == []
    example = module / "examples" / "main.tf"
    example.write_text(example.read_text() + "# One more line.\n")
    assert stale(tmp_path) == [module / "README.md"]


def test_a_block_is_read_as_it_is_written() -> None:
    size, name = blocks(VARIABLES)
    arguments = {
        "description": '"How large."',
        "type": "object({ nodes = optional(number, 3), zones = optional(set(string), []) })",
        "default": "{}",
    }
    assert size == Block("variable", "size", arguments, ("size.nodes must be 1 or more.",))
    assert name.arguments == {"description": '"What it is called."', "type": "string"}
    assert name.rules == ()


def test_a_readme_has_all_that_goes_in_and_comes_out() -> None:
    for main in HERE.glob("modules/*/main.tf"):
        text = document(main.parent)
        for block in (
            *blocks((main.parent / "variables.tf").read_text()),
            *blocks((main.parent / "outputs.tf").read_text()),
        ):
            assert f"| `{block.name}` |" in text
        assert (main.parent / "examples" / "main.tf").read_text() in text


def test_only_the_first_comment_is_the_description() -> None:
    assert first_comment("# One.\n# Two.\nlocals {}\n# Three.\n") == "One.\nTwo."
