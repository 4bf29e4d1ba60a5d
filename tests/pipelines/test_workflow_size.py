"""The workflow that Kubeflow makes of the graph stays below half of 1 MB, whatever the spec.

Argo compresses the nodes of a workflow above 1 MB, and Kubeflow then shows no more changes of its steps. The other half
is for what comes while a run goes: each pod that is tried again adds some 6 kB.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from components.store.packed import LARGEST_TEXT, pack_spec
from pipelines.compile import compile_pipeline
from pipelines.pods import SECRETS, PodSettings
from tests.components.small_table import small_spec
from tests.components.spec.large_specs import long_spec, wide_spec

#: The largest graph with its Kubernetes settings, as JSON. Argo's record of a run holds each part of it several times:
#: on Kubeflow 2.17 one of 30.6 kB, with every secret, resources for each step, a release and two workers in a queue,
#: made a record of 488,911 bytes, of which 524,288 are allowed.
LARGEST_GRAPH = 31_000
#: The largest parameters of a run. The record holds the spec nine times, and that run's had 2 kB less than the longest.
LARGEST_PARAMETERS = 5_000
SETTINGS = PodSettings(secrets={opens: f"{opens}-credentials" for opens in SECRETS}, store_endpoint="http://s3.s3:9000")
GPU = {"accelerator": "gpu", "accelerator_count": 2, "accelerator_type": "nvidia-l4"}


def graph_bytes(spec: Any) -> int:
    return sum(len(json.dumps(each)) for each in yaml.safe_load_all(compile_pipeline(spec, pods=SETTINGS)))


def test_the_graph_is_small_with_every_setting() -> None:
    assert graph_bytes(small_spec(training=GPU)) <= LARGEST_GRAPH


@pytest.mark.parametrize("spec", [wide_spec(500), long_spec()], ids=["500 features", "long texts"])
def test_a_large_spec_makes_no_larger_graph(spec: Any) -> None:
    assert abs(graph_bytes(spec) - graph_bytes(small_spec())) < 1000
    assert len(pack_spec(spec)) <= LARGEST_TEXT


def test_the_parameters_are_small_with_the_longest_spec() -> None:
    places = dict.fromkeys(
        ("data", "store", "mlflow", "repository"), "s3://a-long-bucket-name-of-a-company/" + 60 * "f"
    )
    others = {"spec": LARGEST_TEXT * "x", "code": "sha256:" + 64 * "0", "commit": 40 * "0" + "-changed"}
    assert (
        len(json.dumps({**places, **others, "run": 51 * "r", "environment": "e", "settings": "{}"}))
        <= LARGEST_PARAMETERS
    )
