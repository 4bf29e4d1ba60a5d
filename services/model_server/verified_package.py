"""Reads the package to serve and verifies its signature."""

from __future__ import annotations

from components.package.model_package import Package, read_package
from services.model_server.settings import Settings


def verified_package(settings: Settings) -> Package:
    """The package to serve; if the settings have a public key, its signature must verify.

    Raises:
        PackageError: the package's bytes or signature are wrong.
    """
    package = read_package(settings.package)
    if settings.public_key:
        # Imported here, so that servers without a public key do not load OpenSSL.
        from components.package.signature import check_signature

        check_signature(package, settings.public_key)
    return package
