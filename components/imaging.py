"""Step: brings a version's package as a signed image to a registry, as one layer on the server's image."""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from components.image.server import SERVER_IMAGE, server_tag
from components.models.meter import metered
from components.registry.package_store import kept_package
from components.step import running, step
from components.store.content import Store


@step
def image(package: str, registry: str, base: str, store: str, code: str, service: str) -> NamedTuple(  # type: ignore[valid-type]
    "Outputs", [("repository", str), ("tag", str), ("digest", str), ("usage", str)]
):
    """Checks, pushes, signs and attests the image of the package with this digest; all four are "" without a registry.

    `base` is the whole name of the server's image; by default the one in the registry for this code's server. The key
    is the text of $SIGNING_KEY; without it the identity of the pod signs. `usage` is what the step used, as JSON.
    """
    with running(code), tempfile.TemporaryDirectory() as folder:
        if not registry:
            print("no registry, so no image is made")
            return "", "", "", ""
        # Imported here because it loads what signs, which neither the graph nor a run without a registry needs.
        from components.image.publishing import publish_model_image

        key = None
        if os.environ.get("SIGNING_KEY"):
            key = Path(folder, "key.pem")
            key.touch(mode=0o600)
            key.write_text(os.environ["SIGNING_KEY"], encoding="utf-8")
        with metered() as meter:
            made = publish_model_image(
                kept_package(Store(store), package, Path(folder, "package")).path,
                base or f"{registry}/{SERVER_IMAGE}:{server_tag()}",
                f"{registry}/{service}",
                key=key,
            )
            print(f"image {made.name}@{made.digest}")
        return made.name, made.tag, made.digest, meter.text()
