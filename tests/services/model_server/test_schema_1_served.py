"""A package that commit 96f05a9 wrote is served."""

from __future__ import annotations

import pytest

from components.package.model_package import read_package
from tests.before import DIGEST, FOLDER
from tests.services.model_server.conftest import StartServer
from tests.small_package import word_answer


def test_it_is_served_as_it_was(serve: StartServer) -> None:
    server = serve(FOLDER)
    assert server.get("/readyz").status == 200
    for row in read_package(FOLDER).golden:
        reply = server.predict(row.request)
        assert reply.headers["x-canario-receipt"] == DIGEST
        assert reply.json()["probability"] == pytest.approx(word_answer(row).probability, abs=1e-6)
        assert reply.json()["label"] == word_answer(row).label
    assert any(DIGEST in name for name in server.metrics())
