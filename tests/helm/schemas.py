"""Makes the JSON schemas by which kubeconform checks manifests, so that it needs no network.

    kubectl get --raw /openapi/v2 > openapi.json
    python -m tests.helm.schemas --openapi openapi.json --crds FOLDER...

writes `tests/helm/kinds/<kind>-<group>-<version>.json`: Kubernetes' own from what an API server
says of itself, those of custom resources from their definitions as the projects publish them. They
are closed against unknown keys and hold no texts.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "kinds"
#: What the charts and the environments use; (group, version, kind).
KUBERNETES = (
    ("", "v1", "ConfigMap"),
    ("", "v1", "Pod"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "Namespace"),
    ("", "v1", "LimitRange"),
    ("", "v1", "ResourceQuota"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "StatefulSet"),
    ("batch", "v1", "Job"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration"),
)
CUSTOM = (
    *("Canary", "Gateway", "HTTPRoute", "ScaledObject", "ServiceMonitor", "PrometheusRule"),
    *("GitRepository", "HelmRelease", "HelmRepository", "Kustomization", "ImageValidatingPolicy"),
)
#: What says something about a value.
KEPT = ("type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "format")
PARTS = ("oneOf", "anyOf", "allOf")


def file_name(group: str, version: str, kind: str) -> str:
    """As kubeconform names it: the kind, the first word of the group, the version."""
    return "-".join(part for part in (kind.lower(), group.partition(".")[0], version) if part) + ".json"


def kubernetes(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas of Kubernetes' own kinds."""
    definitions = openapi["definitions"]
    for definition in definitions.values():
        for about in definition.get("x-kubernetes-group-version-kind", ()):
            key = (about["group"], about["version"], about["kind"])
            if key in KUBERNETES:
                yield file_name(*key), stripped(definition, definitions)


def custom(definitions: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas of custom resources, one for each version that is served."""
    for definition in definitions:
        spec = definition.get("spec", {})
        if definition.get("kind") != "CustomResourceDefinition" or spec["names"]["kind"] not in CUSTOM:
            continue
        for version in spec["versions"]:
            schema = stripped(version["schema"]["openAPIV3Schema"], {})
            schema["properties"]["metadata"] = {"type": "object"}
            yield file_name(spec["group"], version["name"], spec["names"]["kind"]), schema


def stripped(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema with its references put in, without texts, and closed."""
    if "$ref" in schema:
        return stripped(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    if str(schema.get("format")) == "quantity" or "Quantity" in str(schema.get("description", ""))[:20]:
        return {"type": ["string", "number"]}
    result = {key: schema[key] for key in KEPT if key in schema}
    result |= {key: [stripped(one, definitions) for one in schema[key]] for key in PARTS if key in schema}
    result |= {key: stripped(schema[key], definitions) for key in ("items", "not") if key in schema}
    if "required" in schema:
        result["required"] = schema["required"]
    if "properties" in schema:
        result["properties"] = {key: stripped(one, definitions) for key, one in schema["properties"].items()}
    return {**result, **_closed(schema, definitions)}


def _closed(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        return {"additionalProperties": stripped(more, definitions)}
    open_ = more is True or schema.get("x-kubernetes-preserve-unknown-fields")
    return {"additionalProperties": False} if "properties" in schema and "type" in schema and not open_ else {}


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it, where = is a text like any other."""


_Loader.yaml_constructors = {
    **yaml.SafeLoader.yaml_constructors,
    "tag:yaml.org,2002:value": yaml.SafeLoader.construct_yaml_str,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--openapi", type=Path, required=True)
    parser.add_argument("--crds", type=Path, nargs="+", required=True)
    args = parser.parse_args()
    files = [file for folder in args.crds for file in sorted(folder.glob("*.y*ml"))]
    texts = [text for file in files if any(f"kind: {kind}\n" in (text := file.read_text()) for kind in CUSTOM)]
    definitions = [one for text in texts for one in yaml.load_all(text, Loader=_Loader) if one]
    FOLDER.mkdir(exist_ok=True)
    for name, schema in [*kubernetes(json.loads(args.openapi.read_text())), *custom(definitions)]:
        (FOLDER / name).write_text(json.dumps(schema, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
