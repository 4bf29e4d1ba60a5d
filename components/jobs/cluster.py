"""The Kubernetes API as a step uses it: one namespace, with the rights of the step's service account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config

from components.errors import TrainingJobError
from components.store.patience import patiently

Document = dict[str, Any]

_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
#: Where objects of a kind are.
_PATHS: Final = {
    "Job": "/apis/batch/v1/namespaces/{api.namespace}/jobs",
    "Service": "/api/v1/namespaces/{api.namespace}/services",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{api.namespace}/networkpolicies",
    "Pod": "/api/v1/namespaces/{api.namespace}/pods",
    "Event": "/api/v1/namespaces/{api.namespace}/events",
    "Workflow": "/apis/argoproj.io/v1alpha1/namespaces/{api.namespace}/workflows",
    "Workload": "/apis/kueue.x-k8s.io/{api.kueue}/namespaces/{api.namespace}/workloads",
    "APIGroup": "/apis",
}
_SECONDS: Final = 30.0


class ForbiddenError(TrainingJobError):
    """The service account of the step lacks a right."""


class ClusterApi:
    """Objects of one namespace, as the API's own documents."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api, self.namespace = api, namespace

    @classmethod
    def own(cls) -> ClusterApi:
        """The API as the service account of this pod sees it."""
        settings = client.Configuration()
        config.load_incluster_config(client_configuration=settings)
        return cls(client.ApiClient(settings), _NAMESPACE_FILE.read_text(encoding="utf-8").strip())

    @cached_property
    def kueue(self) -> str:
        """The version of Kueue's API that this cluster prefers; empty if it has no Kueue.

        Raises:
            TrainingJobError: the API refuses, or does not answer for minutes.
        """
        found = self.get("APIGroup", "kueue.x-k8s.io")
        return str(found["preferredVersion"]["version"]) if found else ""

    def get(self, kind: str, name: str) -> Document | None:
        """An object, or None.

        Raises:
            ForbiddenError: the service account may not read it.
            TrainingJobError: the API refuses, or does not answer for minutes.
        """
        return self._ask("GET", kind, name)

    def items(self, kind: str, **selectors: str) -> list[Document]:
        """Objects by `labelSelector` or `fieldSelector`.

        Raises:
            ForbiddenError: the service account may not list them.
            TrainingJobError: the API refuses, or does not answer for minutes.
        """
        found = self._ask("GET", kind, query=list(selectors.items()))
        return list(found["items"]) if found else []

    def create(self, document: Mapping[str, Any]) -> Document | None:
        """Creates an object; None if there is one of its name, as after a try whose answer was lost.

        Raises:
            ForbiddenError: the service account may not create it.
            TrainingJobError: the API refuses it, or does not answer for minutes.
        """
        try:
            return self._ask("POST", document["kind"], body=dict(document))
        except _ThereError:
            return None

    def delete(self, kind: str, name: str, uid: str) -> None:
        """Deletes an object and what it owns, unless another has taken its name.

        Raises:
            ForbiddenError: the service account may not delete it.
            TrainingJobError: the API refuses, or does not answer for minutes.
        """
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            self._ask("DELETE", kind, name, body=options)
        except _ThereError:
            return

    def log(self, pod: str, lines: int) -> str:
        """The last lines of a pod's log; why there is none, if there is none."""
        path = f"{self._path('Pod')}/{pod}/log"
        try:
            return str(self._call(path, "GET", [("tailLines", str(lines))], None, "str"))
        except client.ApiException as error:
            return f"(no log: {_message(error)})"

    def _path(self, kind: str) -> str:
        return _PATHS[kind].format(api=self)

    def _ask(
        self,
        method: str,
        kind: str,
        name: str = "",
        *,
        query: list[tuple[str, str]] | None = None,
        body: Document | None = None,
    ) -> Document | None:
        path = f"{self._path(kind)}/{name}" if name else self._path(kind)
        try:
            found = patiently(lambda: self._call(path, method, query or [], body, "object"), "the Kubernetes API")
        except client.ApiException as error:
            if error.status == 404 and name:
                return None
            raise self._refusal(error, method, kind, name) from error
        except Exception as error:
            raise TrainingJobError(f"the Kubernetes API does not answer: {error}") from error
        return dict(found)

    def _call(self, path: str, method: str, query: list[tuple[str, str]], body: Document | None, answer: str) -> Any:
        return self._api.call_api(
            path,
            method,
            query_params=query,
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=body,
            response_type=answer,
            auth_settings=["BearerToken"],
            _return_http_data_only=True,
            _request_timeout=_SECONDS,
        )

    def _refusal(self, error: client.ApiException, method: str, kind: str, name: str) -> TrainingJobError:
        if error.status == 409:
            return _ThereError(_message(error))
        if error.status in (401, 403):
            return ForbiddenError(
                f"{_message(error)}; a run with training.workers needs rights in its namespace, which "
                f"`make rights NAMESPACE={self.namespace}` writes"
            )
        return TrainingJobError(f"the Kubernetes API refuses to {method} {kind} {name}: {_message(error)}")


class _ThereError(TrainingJobError):
    """An object of the name is there, or is another than the one that was meant."""


def _message(error: client.ApiException) -> str:
    """The API's own sentence."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"
