"""Who takes part, how each is started, what it is sent and where its answer stands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.model_server.build import build_bento, serve_command, serve_environment
from tests.load.bench.environments import environment
from tests.load.bench.subject import Subject

_PROGRAMS: Final = Path(__file__).parent / "programs"
_SERVER_PYTHON: Final = Path(".venv-server/bin/python")
Rows = list[dict[str, Any]]

#: Us, and our core without what a server needs beside it.
US: Final = "canario"
CORE: Final = "core on FastAPI"
MLFLOW: Final = "MLflow models serve"
#: No model at all: what uvicorn and the load generator can do.
CEILING: Final = "constant answer"


@dataclass(frozen=True)
class Started:
    """A command with its environment."""

    command: list[str]
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contestant:
    """A server and its dialect."""

    name: str
    start: Callable[[Subject, int], Started]
    path: str
    body: Callable[[Rows], Any]
    probabilities: Callable[[Any], list[float]]
    has_model: bool = True


def _plain(rows: Rows) -> Any:
    return rows


def _probabilities(answer: Any) -> list[float]:
    return list(answer["probabilities"])


def us(workers: int = 1, name: str = US) -> Contestant:
    """Our bento, with metrics, prediction log, receipt and input checks on."""

    def start(subject: Subject, port: int) -> Started:
        home = (subject.folder / f"home-{workers}").resolve()
        bento = build_bento(subject.package, subject.folder / "bento")
        settings = {"CANARIO_LOG_DIR": str(home / "predictions")}
        home.mkdir(exist_ok=True)
        command = serve_command(bento, port, server_python=_SERVER_PYTHON.absolute())
        return Started(command, serve_environment(home, settings, workers))

    return Contestant(name, start, "/predict", _one_or_many, _ours)


def _one_or_many(rows: Rows) -> Any:
    return rows[0] if len(rows) == 1 else rows


def _ours(answer: Any) -> list[float]:
    return [one["probability"] for one in (answer if isinstance(answer, list) else [answer])]


def _program(environment_name: str, script: str) -> Callable[[Subject, int], Started]:
    def start(subject: Subject, port: int) -> Started:
        command = [str(environment(environment_name)), str(_PROGRAMS / script), str(subject.folder), str(port)]
        return Started(command, {"PYTHONPATH": os.getcwd()})  # noqa: PTH109 -- as text

    return start


def _flask(subject: Subject, port: int) -> Started:
    python = str(environment("flask"))
    # One process; threads only keep the connections open.
    options = ["--workers", "1", "--threads", "8", "--bind", f"127.0.0.1:{port}", "--chdir", str(_PROGRAMS)]
    return Started(
        [python, "-m", "gunicorn", *options, "flask_peer:app"], {"CANARIO_BENCH_FOLDER": str(subject.folder.resolve())}
    )


def _mlflow(subject: Subject, port: int) -> Started:
    python = environment("mlflow")
    options = ["--model-uri", str(subject.folder / "mlflow"), "--env-manager", "local", "--workers", "1"]
    path = os.pathsep.join((str(python.parent), os.environ["PATH"]))
    return Started(
        [str(python), "-m", "mlflow", "models", "serve", *options, "--host", "127.0.0.1", "--port", str(port)],
        {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )


def _split(rows: Rows) -> Any:
    return {"dataframe_split": {"columns": list(rows[0]), "data": [list(row.values()) for row in rows]}}


def _mlserver(subject: Subject, port: int) -> Started:
    python = environment("mlserver")
    folder = subject.folder / "mlserver"
    folder.mkdir(exist_ok=True)
    settings = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "parallel_workers": 0}
    model = {
        "name": "model",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str((subject.folder / "model.joblib").resolve())},
    }
    (folder / "settings.json").write_text(json.dumps({**settings, "host": "127.0.0.1", "debug": False}))
    (folder / "model-settings.json").write_text(json.dumps(model))
    return Started([str(python.parent / "mlserver"), "start", str(folder)])


def _v2(rows: Rows) -> Any:
    inputs = [_v2_column(name, [row[name] for row in rows]) for name in rows[0]]
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}


def _v2_column(name: str, data: list[Any]) -> dict[str, Any]:
    kinds = {str: "BYTES", int: "INT64", float: "FP64"}
    kind = kinds[float if any(isinstance(value, float) for value in data) else type(data[0])]
    column = {"name": name, "shape": [len(data), 1], "datatype": kind, "data": data}
    return {**column, "parameters": {"content_type": "str"}} if kind == "BYTES" else column


CONTESTANTS: Final = (
    us(),
    Contestant(CORE, _program("core", "core_peer.py"), "/predict", _one_or_many, _ours),
    Contestant(CEILING, _program("core", "constant_peer.py"), "/predict", _one_or_many, _ours, has_model=False),
    Contestant(MLFLOW, _mlflow, "/invocations", _split, lambda answer: [row[1] for row in answer["predictions"]]),
    Contestant("FastAPI", _program("fastapi", "fastapi_peer.py"), "/predict", _plain, _probabilities),
    Contestant("Flask and gunicorn", _flask, "/predict", _plain, _probabilities),
    Contestant(
        "KServe",
        _program("kserve", "kserve_peer.py"),
        "/v1/models/model:predict",
        lambda rows: {"instances": rows},
        lambda answer: list(answer["predictions"]),
    ),
    Contestant(
        "MLServer", _mlserver, "/v2/models/model/infer", _v2, lambda answer: list(answer["outputs"][0]["data"][1::2])
    ),
)
