"""FastAPI and scikit-learn, as most teams write it: python fastapi_peer.py FOLDER PORT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import Body, FastAPI

app = FastAPI()
pipeline = joblib.load(Path(sys.argv[1]) / "model.joblib")


@app.post("/predict")
async def predict(rows: list[dict[str, Any]] = Body()) -> dict[str, list[float]]:  # noqa: B008 -- FastAPI's way
    return {"probabilities": pipeline.predict_proba(pd.DataFrame(rows))[:, 1].tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
