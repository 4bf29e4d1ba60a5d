"""`make serve` in the small: a real package as a real bento behind the real gateway, until Ctrl-C."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from k8s.twin import loopback
from k8s.twin.serve import main
from tests.k8s.twin.tiny import wait_for
from tests.patience import patient
from tests.small_package import FEATURES, GOOD, write_small_package


def _spec(folder: Path) -> Path:
    features = {name: feature.model_dump(mode="json") for name, feature in FEATURES.items()}
    document = {"name": "small", "data": {"uri": "t.csv", "target": "left", "positive": "Yes"}, "features": features}
    (folder / "service.yaml").write_text(yaml.safe_dump(document))
    return folder / "service.yaml"


def test_a_package_is_served_until_ctrl_c(tmp_path: Path) -> None:
    package = write_small_package(tmp_path / "package")
    command = [sys.executable, "-m", "k8s.twin.serve", "--spec", str(_spec(tmp_path)), "--package", str(package.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        while (url := re.search(r"http://\S+", said)) is None and (line := process.stdout.readline()):
            said += line
        assert url is not None, said
        answer = loopback.post(url[0] + "/predict", GOOD)
        assert answer is not None
        assert answer.status == 200
        assert answer.headers["x-canario-receipt"] == package.digest
        tree = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(patient(30)) == 0
        assert "curl -s" in process.stdout.read()
    wait_for(lambda: not any(child.is_running() for child in tree))


def test_without_a_package_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(_spec(tmp_path)), "--trained", str(tmp_path)]) == 2
    assert "run `make train SERVICE=small` first" in capsys.readouterr().err
