"""A step has only what its image holds, and that is enough to publish a model's image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.image.program import PROGRAMS, stage
from tests.components.image.server_images import server_in
from tests.registry import registry
from tests.services.model_server.served import SERVER_PYTHON
from tests.signing_keys import write_keys
from tests.small_package import write_small_package

STEP = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from components.image.publishing import publish_model_image
package, base, name, key = sys.argv[1:]
image = publish_model_image(Path(package), base, name, key=Path(key), say=lambda line: print(line, file=sys.stderr))
assert not [module for module in sys.modules if module.split(".")[0] in ("services", "bentoml")]
print(json.dumps(asdict(image)))
"""


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_steps_sources_publish_an_image(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    stage(PROGRAMS["components"], tmp_path / "image")
    root = tmp_path / "image" / "src"
    key, package = write_keys(tmp_path / "keys").private, write_small_package(tmp_path / "inputs" / "package")
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONPATH": str(root)}
    with registry(tags_move=False) as there:
        base, name = server_in(there.address), f"{there.address}/models/small"
        done = subprocess.run(
            [sys.executable, "-c", STEP, str(package.path), base, name, str(key)],
            cwd=tmp_path,
            env={**environment, "CANARIO_SERVER_PYTHON": str(SERVER_PYTHON)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        image = json.loads(done.stdout)
        tags = there.kept("models/small").tags
        assert tags[image["tag"]] == image["digest"]
        assert len(tags) == 3
