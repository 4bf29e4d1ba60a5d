"""What is brought to a cluster is what its environment says."""

from __future__ import annotations

import pytest
import yaml

from k8s.deploy.errors import EnvironmentFileError
from k8s.platform.__main__ import configs
from tests.repo.tree import ROOT

ENVIRONMENTS = sorted(path.parent.name for path in ROOT.glob("k8s/envs/*/platform.yaml"))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_has_configs_on_top_of_the_common_ones(environment: str) -> None:
    folder = configs(environment)
    document = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert [(folder / one).resolve() for one in document["resources"]] == [ROOT / "k8s" / "configs"]


def test_only_a_local_environment_lets_in_images_without_a_digest() -> None:
    relaxed = [one for one in ENVIRONMENTS if "validationActions" in (configs(one) / "kustomization.yaml").read_text()]
    assert relaxed == ["local"]
    rules = list(yaml.safe_load_all((ROOT / "k8s" / "configs" / "admission.yaml").read_text()))
    actions = [one["spec"]["validationActions"] for one in rules if one["kind"].endswith("Binding")]
    assert actions == [["Deny"], ["Deny"]]


def test_another_environment_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(EnvironmentFileError, match="environments are: local, production, staging"):
        configs("laptop")
