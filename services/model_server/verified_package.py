"""The server's door: which package it takes."""

from __future__ import annotations

from components.package.model_package import Package, read_package
from services.model_server.settings import Settings


def verified_package(settings: Settings) -> Package:
    """The package that is to be served; with a public key, only one that its owner signed.

    Raises:
        PackageError: its bytes or its signature are wrong.
    """
    package = read_package(settings.package)
    if settings.public_key:
        # Only here: who needs no signature need not pay for OpenSSL.
        from components.package.signature import check_signature

        check_signature(package, settings.public_key)
    return package
