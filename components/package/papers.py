"""The files beside a package, which go with it into its image: the signature and the bill of materials."""

from __future__ import annotations

from pathlib import Path

from components.package.signature import signature_file


def materials_file(package: Path) -> Path:
    """The path of the bill of materials of a package's image: beside the package, like the signature."""
    return package.with_name(f"{package.name}.cdx.json")


def papers(package: Path, name: str = "package") -> dict[str, bytes]:
    """The papers that lie beside a package's folder, by their names beside a folder called `name`."""
    inside = Path(name)
    return {
        str(at(inside)): at(package).read_bytes() for at in (signature_file, materials_file) if at(package).is_file()
    }
