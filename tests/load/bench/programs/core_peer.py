"""Our own core (decode, encode, graph, answer) on plain FastAPI and nothing more: python core_peer.py FOLDER PORT."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response

from components.package.model_package import read_package
from services.model_server.decoding import RowDecoder
from services.model_server.errors import Refused
from services.model_server.model import Model

app = FastAPI()
package = read_package(Path(sys.argv[1]) / "package")
model, decoder = Model(package, "1"), RowDecoder(package.contract)


@app.post("/predict")
async def predict(request: Request) -> Response:
    try:
        rows, single = decoder.decode(await request.body())
    except Refused as refused:
        return Response(str(refused), refused.status)
    answer = model.answer(model.scores(model.encode(rows)), single=single)
    return Response(answer, media_type="application/json")


gc.collect()
gc.freeze()
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
