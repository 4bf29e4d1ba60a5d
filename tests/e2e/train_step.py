"""The step `train` in a pod, called as Kubeflow's launcher calls it; the inputs of its workers lie in /inputs.

The last line on stdout names the model in the store.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

os.environ["_KFP_RUNTIME"] = "true"

import pandas as pd

from components.code import code_digest
from components.models.trained import FIT
from components.package.model_package import MODEL
from components.spec.contract import Spec
from components.store.content import Kind, Store
from components.store.reading import keep_spec
from components.table.cells import parse_table, table_bytes
from components.train import train

INPUTS, WORK = Path("/inputs"), Path("/tmp/work")


def main() -> None:
    """Runs the step and keeps its model."""
    WORK.mkdir()
    store = os.environ["STORE"]
    spec = Spec.model_validate_json((INPUTS / "spec.json").read_bytes())
    frame = parse_table((INPUTS / "train.parquet").read_bytes(), "train.parquet").frame
    # A table that keeps workers busy for a while does not fit in a ConfigMap.
    rows = WORK / "train.parquet"
    rows.write_bytes(table_bytes(pd.concat([frame] * int(os.environ["TIMES"]), ignore_index=True)))
    model = SimpleNamespace(path=str(WORK / "model"), metadata={}, framework="")
    train(
        spec=keep_spec(Store(store), spec),
        store=store,
        code=code_digest(),
        train=SimpleNamespace(path=str(rows)),
        trials=SimpleNamespace(path=str(INPUTS / "trials.json")),
        model=model,
    )
    made = {name: Store(store).put(Kind.OBJECT, Path(model.path, name).read_bytes()) for name in (MODEL, FIT)}
    print(json.dumps(made))


if __name__ == "__main__":
    main()
