"""Step: finds the champion's package and the data that it was trained on."""

from typing import NamedTuple

from components.registry.model_registry import champion
from components.registry.package_store import keep_registered
from components.step import running, step
from components.store.content import Store


@step
def find_champion(name: str, mlflow: str, store: str, code: str) -> NamedTuple(  # type: ignore[valid-type]
    "Outputs", [("version", str), ("package", str), ("snapshot", str)]
):
    """Sees to it that the champion's package and data are in the store; returns the version and their digests.

    All three are "" if there is no champion.
    """
    with running(code):
        found = champion(mlflow, name)
        if found is None:
            print("no champion yet")
            return "", "", ""
        keep_registered(found, mlflow, Store(store))
        print(f"champion is version {found.version}, package {found.package}")
        return found.version, found.package, found.snapshot
