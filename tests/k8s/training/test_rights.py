"""The rights of a run that starts workers."""

from __future__ import annotations

import pytest
import yaml

from k8s.training.__main__ import main


def test_the_rights_are_those_of_one_account_in_one_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--namespace", "team-a", "--account", "default-editor"]) == 0
    role, binding = yaml.safe_load_all(capsys.readouterr().out)
    assert [role["metadata"]["namespace"], binding["metadata"]["namespace"]] == ["team-a", "team-a"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "default-editor", "namespace": "team-a"}]
    assert {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "delete"]} in role["rules"]
    assert not any("*" in word for rule in role["rules"] for words in rule.values() for word in words)
    assert not any("secrets" in rule["resources"] for rule in role["rules"])


@pytest.mark.parametrize("given", ["Team A", "", "a-", "a;b"])
def test_what_is_no_name_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--namespace", given])
    assert "is no name" in capsys.readouterr().err


def test_a_caller_reaches_services_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    user = "training@example-project.iam.gserviceaccount.com"
    assert main(["--namespace", "kubeflow", "--caller", user]) == 0
    role, binding = yaml.safe_load_all(capsys.readouterr().out)
    allowed = {(what, verb) for rule in role["rules"] for what in rule["resources"] for verb in rule["verbs"]}
    assert allowed == {("services", "get"), ("pods", "get"), ("pods", "list"), ("pods/portforward", "create")}
    assert binding["roleRef"]["name"] == role["metadata"]["name"] != "canario-training"
    assert binding["subjects"] == [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}]
    with pytest.raises(SystemExit):
        main(["--namespace", "kubeflow", "--caller", "everybody"])
