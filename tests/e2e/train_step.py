"""The step `train` in a pod, called as Kubeflow's launcher calls it; the inputs of its workers lie in /inputs.

The last line on stdout is the list of the model's files in the store.
"""

import os
from pathlib import Path

os.environ["_KFP_RUNTIME"] = "true"

import pandas as pd

from components.code import code_digest
from components.models.trials import Search
from components.spec.contract import Spec
from components.store.content import Kind, Store
from components.store.reading import keep_document, keep_spec
from components.table.cells import parse_table, table_bytes
from components.train import train

INPUTS = Path("/inputs")


def main() -> None:
    """Keeps the inputs, runs the step and says where its model is."""
    store = os.environ["STORE"]
    spec = Spec.model_validate_json((INPUTS / "spec.json").read_bytes())
    frame = parse_table((INPUTS / "train.parquet").read_bytes(), "train.parquet").frame
    # A table that keeps workers busy for a while does not fit in a ConfigMap.
    rows = table_bytes(pd.concat([frame] * int(os.environ["TIMES"]), ignore_index=True))
    model = train(
        spec=keep_spec(Store(store), spec),
        store=store,
        code=code_digest(),
        train=Store(store).put(Kind.OBJECT, rows),
        trials=keep_document(store, Search.model_validate_json((INPUTS / "trials.json").read_bytes())),
    )
    print(Store(store).get(Kind.OBJECT, model).decode())


if __name__ == "__main__":
    main()
