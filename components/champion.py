"""Step: finds the champion's package and the data that it was trained on."""

from kfp import dsl

from components.step import step


@step
def find_champion(
    name: str, mlflow: str, store: str, package: dsl.Output[dsl.Model], reference: dsl.Output[dsl.Dataset]
) -> str:
    """Writes the champion's package and data, or two empty files if there is no champion; returns its version or ""."""
    from pathlib import Path

    from components.registry.model_registry import champion, local_package
    from components.registry.package_store import copy_package, package_uri, require_snapshot

    found = champion(mlflow, name)
    if found is None:
        for artifact in (package, reference):
            artifact.uri = f"{store}/nothing"
            Path(artifact.path).parent.mkdir(parents=True, exist_ok=True)
            Path(artifact.path).touch()
        print("no champion yet")
        return ""
    package.uri = package_uri(store, found.package)
    package.metadata = {"digest": found.package}
    copy_package(local_package(found, mlflow), Path(package.path))
    reference.uri = require_snapshot(found)
    reference.metadata = {"digest": found.snapshot}
    print(f"champion is version {found.version}, package {found.package}")
    return found.version
