"""Asks the API of Kubeflow Pipelines: runs, experiments and recurring runs, each question with a time limit.

Who asks is in the environment: $KFP_TOKEN (a bearer token), $KFP_COOKIE (`name=value`, behind a login page such as
dex), $KFP_HEADER (`name: value`, such as `kubeflow-userid: me@example.com` past the gateway), or, in a pod,
$KF_PIPELINES_SA_TOKEN_PATH.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import kfp
import kfp_server_api  # type: ignore[import-untyped]
import urllib3
import yaml
from kfp.client.set_volume_credentials import ServiceAccountTokenVolumeCredentials

from components.errors import SpecError

#: What asking can raise: a refusal, no connection, or an answer that cannot be read.
UNREACHED: Final = (kfp_server_api.ApiException, urllib3.exceptions.HTTPError, OSError, ValueError)
#: Time limit of a question, and of making a run: the server compiles the graph and asks Kubernetes.
_ASK_SECONDS: Final = 20
_MAKE_SECONDS: Final = 60
#: The states of a run that somebody can still follow to its end.
_GOES_ON: Final = ("PENDING", "RUNNING", "PAUSED", "RUNTIME_STATE_UNSPECIFIED", None)
_PAGE: Final = 50


@dataclass(frozen=True)
class RunGraph:
    """A compiled graph and the values of one run: parameters, place of the outputs, account of the pods."""

    text: str
    parameters: dict[str, str]
    root: str
    service_account: str

    def document(self) -> dict[str, Any]:
        """The graph as the API takes it."""
        pipeline, *platform = yaml.safe_load_all(self.text)
        return {"pipeline_spec": pipeline, "platform_spec": platform[0]} if platform else pipeline

    def config(self) -> Any:
        """The run's values as the API takes them."""
        return kfp_server_api.V2beta1RuntimeConfig(parameters=self.parameters, pipeline_root=self.root or None)


class Kubeflow:
    """Kubeflow Pipelines at a host, in one namespace and one experiment."""

    def __init__(self, host: str, namespace: str = "", experiment: str = "canario", ca: Path | None = None) -> None:
        """`namespace` is empty where there is one user; `ca` is the certificate of a private authority."""
        self.host, self._namespace, self._experiment = host, namespace, experiment
        self.client = _client(host, namespace, ca)

    def experiment(self) -> str:
        """The experiment's id; makes the experiment if it is not there."""
        api = self.client._experiment_api
        asked = {"namespace": self._namespace} if self._namespace else {}
        found = api.experiment_service_list_experiments(
            filter=_named(self._experiment), _request_timeout=_ASK_SECONDS, **asked
        )
        if found.experiments:
            return str(found.experiments[0].experiment_id)
        new = kfp_server_api.V2beta1Experiment(display_name=self._experiment, namespace=self._namespace or None)
        made = api.experiment_service_create_experiment(experiment=new, _request_timeout=_ASK_SECONDS)
        return str(made.experiment_id)

    def running(self, experiment: str, name: str) -> str:
        """The id of the newest run of a name that has not ended; empty if there is none."""
        found = self.client._run_api.run_service_list_runs(
            experiment_id=experiment,
            filter=_named(name),
            sort_by="created_at desc",
            page_size=_PAGE,
            _request_timeout=_ASK_SECONDS,
        )
        going = [run for run in found.runs or () if run.state in _GOES_ON and run.storage_state != "ARCHIVED"]
        return str(going[0].run_id) if going else ""

    def make_run(self, experiment: str, name: str, graph: RunGraph) -> str:
        """Makes a run; returns its id."""
        run = kfp_server_api.V2beta1Run(
            experiment_id=experiment,
            display_name=name,
            pipeline_spec=graph.document(),
            runtime_config=graph.config(),
            service_account=graph.service_account or None,
        )
        made = self.client._run_api.run_service_create_run(run=run, _request_timeout=_MAKE_SECONDS)
        return str(made.run_id)

    def end_run(self, run_id: str) -> None:
        """Ends a run: its pods are stopped."""
        self.client._run_api.run_service_terminate_run(run_id=run_id, _request_timeout=_ASK_SECONDS)

    def recurring(self, experiment: str, name: str) -> list[Any]:
        """The recurring runs of a name, the newest first."""
        found = self.client._recurring_run_api.recurring_run_service_list_recurring_runs(
            experiment_id=experiment,
            filter=_named(name),
            sort_by="created_at desc",
            page_size=_PAGE,
            _request_timeout=_ASK_SECONDS,
        )
        return list(found.recurring_runs or ())

    def make_recurring(self, experiment: str, name: str, cron: str, description: str, graph: RunGraph) -> None:
        """Makes a recurring run that starts one run at a time, and does not make up for what it missed."""
        schedule = kfp_server_api.V2beta1CronSchedule(cron=cron)
        recurring = kfp_server_api.V2beta1RecurringRun(
            experiment_id=experiment,
            display_name=name,
            description=description,
            pipeline_spec=graph.document(),
            runtime_config=graph.config(),
            service_account=graph.service_account or None,
            trigger=kfp_server_api.V2beta1Trigger(cron_schedule=schedule),
            mode="ENABLE",
            max_concurrency="1",
            no_catchup=True,
        )
        api = self.client._recurring_run_api
        api.recurring_run_service_create_recurring_run(recurring_run=recurring, _request_timeout=_MAKE_SECONDS)

    def enable_recurring(self, recurring_id: str, enabled: bool) -> None:
        """Lets a recurring run start runs, or stops it from doing so."""
        api = self.client._recurring_run_api
        change = (
            api.recurring_run_service_enable_recurring_run
            if enabled
            else (api.recurring_run_service_disable_recurring_run)
        )
        change(recurring_run_id=recurring_id, _request_timeout=_ASK_SECONDS)

    def remove_recurring(self, recurring_id: str) -> None:
        """Removes a recurring run; its runs go on, which Kubernetes would end with it otherwise."""
        api = self.client._recurring_run_api
        api.recurring_run_service_delete_recurring_run(
            recurring_run_id=recurring_id, propagation_policy="ORPHAN", _request_timeout=_ASK_SECONDS
        )

    def runs_of(self, recurring_id: str, experiment: str) -> list[Any]:
        """The newest runs that a recurring run has started, the newest first."""
        predicate = {"operation": "EQUALS", "key": "recurring_run_id", "string_value": recurring_id}
        found = self.client._run_api.run_service_list_runs(
            experiment_id=experiment,
            filter=json.dumps({"predicates": [predicate]}),
            sort_by="created_at desc",
            page_size=5,
            _request_timeout=_ASK_SECONDS,
        )
        return list(found.runs or ())

    def link(self, run_id: str) -> str:
        """The address of a run's page."""
        return f"{self.host}/#/runs/details/{run_id}"


def host_of(told: str) -> str:
    """The address without a slash at the end.

    Raises:
        SpecError: there is none, or it does not begin with http.
    """
    if not told:
        raise SpecError("no host: --host or KFP_ENDPOINT says where Kubeflow Pipelines answers")
    if not told.startswith(("http://", "https://")):
        raise SpecError(f"host {told}: an address starts with http:// or https://, such as http://127.0.0.1:8080")
    return told.rstrip("/")


def sentence(error: BaseException) -> str:
    """Why the server gave no answer, and what to do."""
    if isinstance(error, kfp_server_api.ApiException):
        hint = {
            401: "; $KFP_TOKEN, $KFP_COOKIE or $KFP_HEADER says who asks, and may have expired",
            403: "; who asks may not do this in that namespace",
            404: "; is the address right, and does Kubeflow Pipelines have version 2?",
        }.get(error.status, "")
        return f"the server answers {error.status} {error.reason}{_told(error)}{hint}"
    if isinstance(error, urllib3.exceptions.HTTPError | OSError):
        return f"it is not reached ({error}); does it run, and is the address right?"
    return str(error)


def _told(error: Any) -> str:
    """The server's own sentence, shortened: it nests one in another."""
    try:
        said = str(json.loads(error.body or "{}").get("message") or "")
    except (ValueError, AttributeError):
        return ""
    return f" ({said[:300]})" if said else ""


def _named(name: str) -> str:
    return json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": name}]})


def _client(host: str, namespace: str, ca: Path | None) -> Any:
    in_pod = "KF_PIPELINES_SA_TOKEN_PATH" in os.environ and not os.environ.get("KFP_TOKEN")
    with warnings.catch_warnings():
        # Every client warns that it does not work with servers older than 2.0.
        warnings.simplefilter("ignore", FutureWarning)
        client = kfp.Client(
            host=host,
            existing_token=os.environ.get("KFP_TOKEN"),
            cookies=os.environ.get("KFP_COOKIE"),
            credentials=ServiceAccountTokenVolumeCredentials() if in_pod else None,
            ssl_ca_cert=str(ca) if ca else None,
            # With its default namespace the client would ask five times whether there are several users.
            namespace=namespace or "default",
        )
    name, colon, value = os.environ.get("KFP_HEADER", "").partition(":")
    if colon:
        client._run_api.api_client.set_default_header(name.strip(), value.strip())
    return client
