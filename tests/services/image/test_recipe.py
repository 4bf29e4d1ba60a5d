"""The base is pinned and can be named."""

from __future__ import annotations

import re

from services.image.recipe import base_image


def test_the_base_is_pinned_by_its_digest() -> None:
    assert re.fullmatch(r"python:3\.11-slim@sha256:[0-9a-f]{64}", base_image(None, {}))


def test_a_given_base_wins_over_the_environments_and_the_pin() -> None:
    """A base that is given wins over the environment's, and the environment's over the pin."""
    environment = {"CANARIO_BASE_IMAGE": "from-environment"}
    assert base_image("given", environment) == "given"
    assert base_image(None, environment) == "from-environment"
    assert base_image(None, {"CANARIO_BASE_IMAGE": ""}).startswith("python:3.11-slim@sha256:")
