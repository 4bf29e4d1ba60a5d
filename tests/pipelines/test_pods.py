"""What each step's pod gets: sizes, secrets and settings, as the compiled graph carries them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from components.errors import SpecError
from components.jobs.worker_pod import SETTING, WorkerSettings
from components.spec.quantities import cores, memory_bytes
from pipelines.compile import compile_pipeline
from pipelines.pods import PLAIN, SECRETS, SMALL, PodSettings, read_secret, resources_of
from pipelines.training import QUEUE_MINUTES
from tests.components.small_table import small_spec

#: The memory that Kubeflow leaves on a node of two cores, and of the cores.
NODE_CORES, NODE_BYTES = 1.25, 4 * 1024**3


def compiled(settings: PodSettings, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The containers and the Kubernetes settings of a graph, by step."""
    documents = yaml.safe_load_all(compile_pipeline(small_spec(**changes), pods=settings))
    pipeline, platform = documents
    containers = {name: each["container"] for name, each in pipeline["deploymentSpec"]["executors"].items()}
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return (
        {name.removeprefix("exec-"): each for name, each in containers.items()},
        {name.removeprefix("exec-"): each for name, each in executors.items()},
    )


def test_nodes_of_two_cores_can_take_every_step() -> None:
    for step in compiled(PLAIN)[0]:
        given = resources_of(step, small_spec(), PLAIN)
        assert given.requests.cpu is not None
        assert given.requests.memory is not None
        assert given.limits.memory is not None
        assert cores(given.requests.cpu) <= NODE_CORES
        assert memory_bytes(given.requests.memory) <= NODE_BYTES
        assert given.limits.cpu is None


def test_the_spec_says_what_a_step_gets() -> None:
    asked = {
        "default": {"requests": {"cpu": "100m"}},
        "train": {"requests": {"memory": "20Gi"}, "limits": {"cpu": "4"}},
        "gate": {"limits": {"memory": "512Mi"}},
    }
    containers, _ = compiled(PLAIN, resources=asked)
    train = containers["train"]["resources"]
    assert (train["resourceCpuRequest"], train["resourceCpuLimit"]) == ("100m", "4")
    assert (train["resourceMemoryRequest"], train["resourceMemoryLimit"]) == ("20Gi", "20Gi")
    gate = containers["gate"]["resources"]
    assert (gate["resourceMemoryRequest"], gate["resourceMemoryLimit"]) == ("512Mi", "512Mi")


def test_a_large_table_gets_steps_with_more_memory() -> None:
    settings = PodSettings(table=("t.csv", 1024**3))
    assert resources_of("validate", small_spec(), settings).requests.memory == "17Gi"
    assert resources_of("validate", small_spec(), settings).limits.memory == "34Gi"
    assert resources_of("gate", small_spec(), settings) == resources_of("gate", small_spec(), PLAIN)
    asked = small_spec(resources={"validate": {"limits": {"memory": "16Gi"}}})
    assert resources_of("validate", asked, settings).limits.memory == "16Gi"
    small = PodSettings(table=("t.parquet", 10_000_000))
    assert resources_of("validate", small_spec(), small) == resources_of("validate", small_spec(), PLAIN)


def test_a_step_gets_only_the_secrets_that_it_reads() -> None:
    names = {opens: opens for opens in SECRETS}
    _, settings = compiled(PodSettings(secrets=names))
    given = {step: {each["secretName"] for each in of.get("secretAsEnv", ())} for step, of in settings.items()}
    assert all("store" in secrets for secrets in given.values())
    assert {step for step, secrets in given.items() if "git" in secrets} == {"release"}
    asking = ("ingest", "gate", "register", "release")
    assert {step for step, secrets in given.items() if "mlflow" in secrets} == set(asking)
    assert "image" in given or not any({"registry", "signing"} & secrets for secrets in given.values())


def test_only_the_image_step_is_told_of_the_registry() -> None:
    """That it has no TLS, and where signatures are."""
    containers, _ = compiled(PodSettings(plain_registry="registry.local:5000", signatures="registry.local:5000/s/all"))
    given = {step: {one["name"]: one["value"] for one in of.get("env", ())} for step, of in containers.items()}
    told = {"CANARIO_INSECURE_REGISTRIES": "registry.local:5000", "COSIGN_REPOSITORY": "registry.local:5000/s/all"}
    assert {step: names for step, names in given.items() if names} == {"image": told}


def test_a_secret_that_was_named_must_exist() -> None:
    """Kubernetes starts no pod without a required key, and tells why; it leaves out an optional one in silence."""
    _, settings = compiled(PodSettings(secrets={"store": "s3"}))
    required, optional = settings["train"]["secretAsEnv"]
    assert [key["envVar"] for key in required["keyToEnv"]] == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    assert (required["optional"], optional["optional"]) == (False, True)
    assert optional["keyToEnv"] == [{"secretKey": "AWS_SESSION_TOKEN", "envVar": "AWS_SESSION_TOKEN"}]


def test_the_keys_of_a_secret_can_be_named() -> None:
    name, required, optional = read_secret("mlflow", "m:MLFLOW_TRACKING_USERNAME,MLFLOW_TRACKING_PASSWORD")
    assert (name, list(required), optional) == ("m", ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"], {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mine", "--secret mlflow: 'Mine' is no name of a secret"),
        ("", "--secret mlflow: '' is no name of a secret"),
        ("m:TOKEN", "'TOKEN' is no key that a step reads; allowed: MLFLOW_TRACKING_TOKEN"),
        ("m:", "'' is no key that a step reads"),
    ],
)
def test_a_wrong_secret_gets_a_sentence(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_secret("mlflow", text)


def test_an_s3_server_in_the_cluster_is_named_by_its_address() -> None:
    containers, _ = compiled(PodSettings(store_endpoint="http://s3.store:9000"))
    for container in containers.values():
        assert container["env"] == [{"name": "AWS_ENDPOINT_URL_S3", "value": "http://s3.store:9000"}]
    assert not any("env" in container for container in compiled(PLAIN)[0].values())


def test_a_bucket_of_such_a_server_is_part_of_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session  # type: ignore[import-untyped]

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.store:9000")
    client = botocore.session.get_session().create_client("s3", aws_access_key_id="a", aws_secret_access_key="b")
    address = client.generate_presigned_url("get_object", Params={"Bucket": "canario", "Key": "store/x"})
    assert address.startswith("http://s3.store:9000/canario/store/x?")


def test_workers_get_what_the_step_would_have_had() -> None:
    """Workers get the step's resources, device and place, and the step that waits for them a small pod without."""
    training = {"candidates": ["keras_mlp"], "workers": 2, "accelerator": "gpu", "timeout_minutes": 30}
    asked = {"train": {"limits": {"memory": "12Gi"}}}
    containers, settings = compiled(PodSettings(queue="gpus"), training=training, resources=asked)
    train = containers["train"]
    (given,) = [each["value"] for each in train["env"] if each["name"] == SETTING]
    workers = WorkerSettings.model_validate_json(given)
    assert workers.resources["limits"] == {"memory": "12Gi", "nvidia.com/gpu": "1"}
    assert workers.tolerations == ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},)
    assert workers.queue == "gpus"
    assert "accelerator" not in train["resources"]
    assert train["resources"]["resourceMemoryLimit"] == SMALL.limits.memory
    assert containers["tune"]["resources"]["accelerator"]
    assert int(settings["train"]["activeDeadlineSeconds"]) == 60 * (30 + QUEUE_MINUTES)


def test_one_worker_is_the_step_itself() -> None:
    assert not any(each["name"] == SETTING for each in compiled(PLAIN)[0]["train"].get("env", ()))
