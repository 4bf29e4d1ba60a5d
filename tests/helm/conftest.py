"""What these tests need on the PATH."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(autouse=True)
def _programs(request: pytest.FixtureRequest) -> None:
    """A check that cannot run is no check that passed."""
    if request.node.get_closest_marker("charts"):
        missing = [name for name in ("helm", "kubeconform", "promtool") if shutil.which(name) is None]
        assert not missing, f"{', '.join(missing)} not on the PATH; `make tools TOOLS='{' '.join(missing)}'`"
