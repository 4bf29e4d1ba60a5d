"""KServe's SDK with a custom scikit-learn model: python kserve_peer.py FOLDER PORT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from kserve import Model, ModelServer


class Pipeline(Model):
    def __init__(self, folder: Path) -> None:
        super().__init__("model")
        self.pipeline = joblib.load(folder / "model.joblib")
        self.ready = True

    def predict(self, payload: dict[str, Any], *_: Any, **__: Any) -> dict[str, list[float]]:
        return {"predictions": self.pipeline.predict_proba(pd.DataFrame(payload["instances"]))[:, 1].tolist()}


if __name__ == "__main__":
    server = ModelServer(http_port=int(sys.argv[2]), workers=1, enable_grpc=False, enable_latency_logging=False)
    server.start([Pipeline(Path(sys.argv[1]))])
