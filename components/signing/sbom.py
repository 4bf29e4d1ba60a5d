"""The bill of materials of a model's image, in CycloneDX: the package and every library in the lock file.

It leaves out the base image's contents. The same package and lock file give the same bytes.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from pip_requirements_parser import InstallRequirement, RequirementsFile

from components.digest import sha256
from components.files import EPOCH
from components.package.model_package import Package

#: Property that holds the digest of the lock file, which in turn holds the hashes of every library.
LOCK_PROPERTY: Final = "canario:lock"


def bill_of_materials(package: Package, lock: Path) -> str:
    """The bill of materials as CycloneDX JSON; `lock` is the lock file of the server.

    Raises:
        ValueError: a line of the lock file does not pin an exact version.
    """
    image = Component(name=package.contract.name, type=ComponentType.CONTAINER, bom_ref="image", version=package.digest)
    libraries = [_library(requirement) for requirement in RequirementsFile.from_file(str(lock)).requirements]
    parts = [_model(package), *libraries]
    locked = Property(name=LOCK_PROPERTY, value=sha256(lock.read_bytes()))
    made = datetime.fromtimestamp(EPOCH, UTC)
    bom = Bom(
        components=parts,
        metadata=BomMetaData(component=image, timestamp=made, properties=[locked]),
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, f"{package.digest} {locked.value}"),
    )
    bom.register_dependency(image, parts)
    return f"{JsonV1Dot6(bom).output_as_string(indent=2)}\n"


def _model(package: Package) -> Component:
    return Component(
        name=package.contract.name,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{package.digest}",
        version=package.digest,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.digest.removeprefix("sha256:"))],
    )


def _library(requirement: InstallRequirement) -> Component:
    version = requirement.get_pinned_version
    if version is None:
        raise ValueError(f"{requirement.line}: is no exact version; lock it again")
    url = PackageURL("pypi", name=requirement.name, version=version)
    return Component(name=requirement.name, version=version, purl=url, bom_ref=url.to_string())
