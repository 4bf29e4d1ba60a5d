"""A cluster is not told to follow, or to revert in, a repository that is nobody's."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from k8s.errors import EnvironmentFileError
from k8s.platform.address import check_followed, check_reverted
from k8s.rendering.render import followed
from tests.repo.tree import ROOT


def judge(*args: str) -> list[dict[str, Any]]:
    """The objects of a platform whose judge is started with these words."""
    pod = {"containers": [{"name": "judge", "args": ["services.judge", *args]}]}
    return [{"kind": "Service", "spec": {}}, {"kind": "Deployment", "spec": {"template": {"spec": pod}}}]


@pytest.mark.parametrize("environment", followed(ROOT))
def test_the_trees_placeholder_repository_is_refused(environment: str) -> None:
    """The tree names a placeholder for the repository, and that is refused."""
    with pytest.raises(EnvironmentFileError, match=rf"placeholder.* into k8s/envs/{environment}/canario\.yaml"):
        check_followed(ROOT, environment)


@pytest.mark.parametrize("environment", followed(ROOT))
def test_so_it_is_where_flux_brings_nothing(environment: str) -> None:
    objects = yaml.safe_load_all((ROOT / f"k8s/envs/{environment}/rendered/canario.yaml").read_text())
    with pytest.raises(EnvironmentFileError, match="placeholder"):
        check_reverted(objects, environment)


@pytest.mark.parametrize(
    "address",
    ["https://git.example.invalid/team/canario", "https://user@GIT.EXAMPLE.INVALID:8443/x", "git://other.invalid/x"],
)
def test_every_address_that_cannot_be_is_refused(address: str) -> None:
    with pytest.raises(EnvironmentFileError, match="is no repository but a placeholder"):
        check_reverted(judge(f"--environment={address}"), "staging")


@pytest.mark.parametrize(
    "address",
    ["https://git.example.com/team/invalid", "git://git.canario/environment.git", "git@git.example.com:team/canario"],
)
def test_an_address_of_somebodys_is_not(address: str) -> None:
    check_reverted(judge(f"--environment={address}"), "staging")


def test_a_judge_that_reverts_nowhere_needs_no_address() -> None:
    check_reverted(judge("--events"), "local")
