"""Flask and scikit-learn, for gunicorn; CANARIO_BENCH_FOLDER names the folder of the model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from flask import Flask, request

app = Flask(__name__)
pipeline = joblib.load(Path(os.environ["CANARIO_BENCH_FOLDER"]) / "model.joblib")


@app.post("/predict")
def predict() -> dict[str, Any]:
    return {"probabilities": pipeline.predict_proba(pd.DataFrame(request.get_json()))[:, 1].tolist()}
