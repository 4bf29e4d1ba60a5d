"""A Kubernetes API with the rights that `make rights` writes, and a training in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from k8s.training.rights import RULES
from tests.components.jobs.kubernetes_stand_in import KubernetesStandIn
from tests.serving import serving


@pytest.fixture
def cluster() -> Iterator[KubernetesStandIn]:
    stand_in = KubernetesStandIn((group, what, verb) for group, what, verbs in RULES for verb in verbs)
    with serving(stand_in.server):
        yield stand_in
