"""The steps that train run on the image of their accelerator."""

from __future__ import annotations

import pytest

from components.errors import SpecError
from components.image.step_images import SUFFIXES, steps_image, training_image
from components.spec.contract import Training
from services.image.program import PROGRAMS


@pytest.mark.parametrize(
    ("image", "accelerator", "expected"),
    [
        ("host/a/components:0.1.0", "cpu", "host/a/components:0.1.0"),
        ("host/a/components:0.1.0", "gpu", "host/a/components-cuda:0.1.0"),
        ("host:5000/components", "tpu", "host:5000/components-tpu"),
        ("canario/python-steps:00ff", "gpu", "canario/python-steps-cuda:00ff"),
        ("components:1", "tpu", "components-tpu:1"),
    ],
)
def test_an_image_is_named_by_the_accelerator(image: str, accelerator: str, expected: str) -> None:
    assert training_image(image, Training.model_validate({"accelerator": accelerator})) == expected


def test_an_image_named_by_its_digest_goes_only_with_the_cpu() -> None:
    image = f"host/components@sha256:{'0' * 64}"
    assert training_image(image, Training()) == image
    with pytest.raises(SpecError, match=r"accelerator: gpu needs the image with -cuda .* by a tag that both have"):
        training_image(image, Training(accelerator="gpu"))


@pytest.mark.parametrize("accelerator", SUFFIXES)
def test_every_accelerator_has_an_image_that_is_made(accelerator: str) -> None:
    image = training_image(steps_image(), Training.model_validate({"accelerator": accelerator}))
    assert image.rpartition("/")[2].partition(":")[0] in PROGRAMS
