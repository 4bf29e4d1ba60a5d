"""What the models' namespace lets in: the environment's own registry, or another."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from k8s.platform.__main__ import main
from k8s.platform.chart import configs
from k8s.platform.door import rules


def test_without_a_registry_the_environment_s_own_rules_stand() -> None:
    with rules(configs("local"), None) as folder:
        assert folder == configs("local")


def test_another_registry_takes_the_place_of_the_environment_s() -> None:
    with rules(configs("local"), "registry.example.com/team") as folder:
        document = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
        assert [(folder / one).resolve() for one in document["resources"]] == [configs("local").resolve()]
        (patch,) = document["patches"]
        assert patch["target"]["kind"] == "Namespace"
        assert yaml.safe_load(patch["patch"])[0]["value"] == "registry.example.com/team"
    assert not Path(folder).exists()


def test_an_environment_in_git_is_changed_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--env", "staging", "--with", "flux", "--admit", "registry.example.com/team"]) == 1
    assert "--admit: registry.example.com/team is not for an environment that Flux follows" in capsys.readouterr().err


@pytest.mark.parametrize("told", ["registry.example.com/", "team", "https://registry.example.com/team"])
def test_what_names_no_registry_is_refused(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--env", "local", "--admit", told])
    assert ended.value.code == 2
    assert f"--admit: {told!r} is no registry with a folder" in capsys.readouterr().err
