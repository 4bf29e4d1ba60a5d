"""Records a pipeline run in MLflow: one run, with its trials nested in it.

Everything is looked up by name before it is made, so recording a run again after
it was killed halfway adds only the missing parts.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlparse

from components.digest import sha256
from components.evaluation.result import Evaluation
from components.models.trials import Search, Trial
from components.models.usage import Usage, in_order
from components.registry.model_registry import RUN_TAG, connect
from components.registry.step_usage import usage_metrics, usage_tags
from components.store.content import Store
from components.store.files import kept_files
from components.store.reading import kept_document

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TRIAL_TAG = "canario.trial"
RESULT_TAG = "canario.result"
REFUSED_TAG = "canario.refused"
#: The artifact of a run with the results of its evaluation.
EVALUATION: Final = "evaluation.json"


@dataclass(frozen=True)
class RunRecord:
    """A pipeline run as MLflow shows it.

    Attributes:
        service: the experiment's name.
        run: the run's name; a restarted run keeps it.
        figures: a folder of pictures.
        handed: what the steps used that hand it on, by their names.
    """

    service: str
    run: str
    evaluation: Evaluation
    search: Search
    figures: Path
    handed: Mapping[str, Usage] = field(default_factory=dict)

    @property
    def usage(self) -> dict[str, Usage]:
        """What each measured step used, by the step's name, in the order of the steps."""
        tune = {"tune": self.search.usage} if self.search.usage else {}
        return in_order({**self.handed, **tune, **self.evaluation.usage})

    @property
    def whole_evaluation(self) -> Evaluation:
        """The evaluation with what every step up to the gate used but the search, which says so itself."""
        return self.evaluation.model_copy(update={"usage": in_order({**self.handed, **self.evaluation.usage})})

    @property
    def digest(self) -> str:
        """The digest of the results; a run of the same name with other results is another run.

        What was handed on is no result: `ingest` reads its table anew in each run of the same name.
        """
        return sha256((self.search.model_dump_json() + self.evaluation.model_dump_json()).encode())


class KeptResults(NamedTuple):
    """Digests of what the steps of a run kept in the store, and what others used, as a JSON object by step."""

    evaluation: str
    trials: str
    figures: str
    handed: str


def kept_record(store: str, service: str, run: str, results: KeptResults, folder: Path) -> RunRecord:
    """The record of a run from what its steps kept; the figures are written to `folder`, which is made.

    Raises:
        StoreError: something is missing or was changed.
    """
    folder.mkdir()
    for name, content in kept_files(Store(store), results.figures).items():
        (folder / name).write_bytes(content)
    evaluation = kept_document(store, results.evaluation, Evaluation)
    handed = {step: Usage.model_validate(usage) for step, usage in json.loads(results.handed).items()}
    return RunRecord(service, run, evaluation, kept_document(store, results.trials, Search), folder, handed)


def record_refusal(uri: str, record: RunRecord, reason: str) -> str:
    """Records a run whose model was refused; returns its id in MLflow."""
    client = connect(uri)
    run_id = record_run(client, record, {REFUSED_TAG: reason[:5000]})
    client.set_terminated(run_id, "FAILED")
    return run_id


def record_run(client: MlflowClient, record: RunRecord, tags: Mapping[str, str]) -> str:
    """Records a run with its trials, numbers and figures; returns its id in MLflow."""
    from mlflow.entities import Metric, Param, RunTag

    identity = {RUN_TAG: record.run, RESULT_TAG: record.digest}
    run = _run(client, _experiment(client, record.service), record.run, identity)
    now = int(time.time() * 1000)
    known = run.data.metrics
    client.log_batch(
        run.info.run_id,
        metrics=[
            Metric(name, value, now, 0)
            for name, value in (_metrics(record.evaluation) | usage_metrics(record.usage)).items()
            if name not in known
        ],
        params=[Param(name, value) for name, value in _parameters(record).items()],
        tags=[RunTag(name, value) for name, value in (usage_tags(record.usage) | dict(tags)).items()],
    )
    _record_trials(client, run, record)
    client.log_artifacts(run.info.run_id, str(record.figures), "figures")
    client.log_text(run.info.run_id, record.whole_evaluation.model_dump_json(indent=2), EVALUATION)
    return str(run.info.run_id)


def _experiment(client: MlflowClient, name: str) -> str:
    """The id of a service's experiment; with a SQLite store its files lie next to the database."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    uri = str(client.tracking_uri)
    place = Path(uri.removeprefix("sqlite:///")).resolve().parent if uri.startswith("sqlite:///") else None
    return str(client.create_experiment(name, (place / "artifacts" / name).as_uri() if place else None))


def _run(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, str]) -> Run:
    """The run with these tags, made if there is none; a refused or killed run is reused."""
    query = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in tags.items())
    found = client.search_runs([experiment], query, max_results=1)
    if found:
        return found[0]
    return client.create_run(experiment, run_name=name, tags=dict(tags))


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    numbers = {name: interval.value for name, interval in evaluation.metrics.items()}
    numbers |= {f"{name}_low": interval.low for name, interval in evaluation.metrics.items()}
    numbers |= {f"{name}_high": interval.high for name, interval in evaluation.metrics.items()}
    numbers |= {"latency_p99_ms": evaluation.speed.p99_ms, "package_mib": evaluation.package_mib}
    if evaluation.champion:
        differences = evaluation.champion.difference
        numbers |= {f"{name}_versus_champion": interval.value for name, interval in differences.items()}
    return numbers


def _parameters(record: RunRecord) -> dict[str, str]:
    best = record.search.best
    chosen = {name: str(value) for name, value in best.parameters.items()}
    return {
        "candidate": best.candidate,
        "metric": record.search.metric,
        "search_rows": str(record.search.rows),
        **chosen,
    }


def _record_trials(client: MlflowClient, run: Run, record: RunRecord) -> None:
    query = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    children = client.search_runs([run.info.experiment_id], query, max_results=1000)
    begun = {child.data.tags.get(TRIAL_TAG): child for child in children}
    for trial in record.search.trials:
        child = begun.get(str(trial.number))
        if child is None or child.info.status != "FINISHED":
            _record_trial(client, run, record, trial, child)


def _record_trial(client: MlflowClient, run: Run, record: RunRecord, trial: Trial, child: Run | None) -> None:
    from mlflow.entities import Metric, Param

    if child is None:
        tags = {"mlflow.parentRunId": run.info.run_id, TRIAL_TAG: str(trial.number)}
        name = f"{record.run} trial {trial.number}: {trial.candidate}"
        child = client.create_run(run.info.experiment_id, run_name=name, tags=tags)
    now = int(time.time() * 1000)
    metrics = [Metric(record.search.metric, trial.mean, now, 0), Metric("seconds", trial.seconds, now, 0)]
    metrics += [Metric(f"{record.search.metric}_by_fold", score, now, fold) for fold, score in enumerate(trial.scores)]
    params = [Param("candidate", trial.candidate), *(Param(key, str(value)) for key, value in trial.parameters.items())]
    known = child.data.metrics  # from a run that was killed before it could end this trial
    client.log_batch(child.info.run_id, metrics=[each for each in metrics if each.key not in known], params=params)
    client.set_terminated(child.info.run_id, "FINISHED")


def recorded_text(client: MlflowClient, run_id: str, name: str) -> str | None:
    """The text of a run's artifact, or None if the run has no such artifact."""
    if name not in {file.path for file in client.list_artifacts(run_id)}:
        return None
    with tempfile.TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")


def artifact_folder(client: MlflowClient, run_id: str) -> str:
    """The URI of a run's artifacts."""
    uri = str(client.get_run(run_id).info.artifact_uri)
    return uri if urlparse(uri).scheme else Path(uri).as_uri()
