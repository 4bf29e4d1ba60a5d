"""What MLflow stands on is taken as it is, or made once, and never guessed."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from k8s.errors import ClusterError
from k8s.platform.tracking import (
    Tracking,
    bring_secret,
    local_secret,
    new_size,
    require_secret,
    size_of,
    store_size,
    tracking,
)

LOCAL = Tracking("mlflow", stores=True)
CLOUD = Tracking("mlflow", stores=False)


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubectl that writes down what it is asked, keeps what it is to create, and answers from files; its folder."""
    program = tmp_path / "kubectl"
    program.write_text(
        "#!/bin/bash\n"
        f'cd "{tmp_path}"; echo "$*" >> asked\n'
        'case "$*" in\n'
        '  *" get secret "*) [ ! -f created ] || echo secret/mlflow ;;\n'
        '  *" create "*) for last; do :; done; cp "$last" created; stat -c %A "$(dirname "$last")" > mode ;;\n'
        "  *statefulset*) cat statefulset 2>/dev/null || true ;;\n"
        "  *storageclasses*) cat classes ;;\n"
        "esac\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def said(wanted: Tracking) -> list[str]:
    lines: list[str] = []
    bring_secret(wanted, "canario", lines.append)
    return lines


def test_the_secret_of_our_own_stores_is_made_once(kubectl: Path) -> None:
    assert said(LOCAL) == ["secret mlflow: was made, with new passwords for the stores"]
    made = (kubectl / "created").read_bytes()
    assert said(LOCAL) == ["secret mlflow: is there, and is kept"]
    assert (kubectl / "created").read_bytes() == made
    document = json.loads(made)
    assert (document["kind"], document["metadata"]["name"]) == ("Secret", "mlflow")
    assert document["stringData"].keys() == local_secret().keys()


def test_a_password_is_in_no_command_and_no_file_others_may_read(kubectl: Path) -> None:
    """A password is on no command line and in no file that others may read."""
    said(LOCAL)
    asked, document = (kubectl / "asked").read_text(), json.loads((kubectl / "created").read_text())
    for key in ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY"):
        assert document["stringData"][key] not in asked
    assert (kubectl / "mode").read_text().strip() == "drwx------"


def test_passwords_are_new_and_long_and_each_its_own() -> None:
    first, second = local_secret(), local_secret()
    passwords = {one[key] for one in (first, second) for key in ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY")}
    assert len(passwords) == 4
    assert min(map(len, passwords)) >= 32


def test_the_secret_of_a_clouds_stores_is_asked_for_never_made(kubectl: Path) -> None:
    """The secret of a cloud's stores is asked for and never made."""
    with pytest.raises(ClusterError, match=r"namespace canario has no secret mlflow, .*helm/canario/README.md"):
        require_secret(CLOUD, "canario")
    assert said(CLOUD) == []
    assert not (kubectl / "created").exists()
    (kubectl / "created").touch()
    require_secret(CLOUD, "canario")


def test_our_own_stores_need_no_secret_from_outside(kubectl: Path) -> None:
    require_secret(LOCAL, "canario")
    assert not (kubectl / "asked").exists()


def test_without_mlflow_no_secret_is_looked_for(kubectl: Path) -> None:
    require_secret(Tracking(None, stores=False), "canario")
    assert said(Tracking(None, stores=False)) == []
    assert not (kubectl / "asked").exists()


def classes(*defaults: str) -> dict[str, Any]:
    key = "storageclass.kubernetes.io/is-default-class"
    return {"items": [{"metadata": {}}, *({"metadata": {"annotations": {key: one}}} for one in defaults)]}


@pytest.mark.parametrize(("defaults", "size"), [([], ""), (["false"], ""), (["false", "true"], "5Gi")])
def test_a_new_store_claims_what_a_default_class_can_meet(defaults: list[str], size: str) -> None:
    assert new_size(classes(*defaults)) == size


def test_a_store_that_is_there_keeps_its_claim(kubectl: Path) -> None:
    (kubectl / "classes").write_text(json.dumps(classes("true")))
    assert store_size("canario") == "5Gi"
    (kubectl / "statefulset").write_text(json.dumps({"spec": {}}))
    assert store_size("canario") == ""
    claim = {"spec": {"resources": {"requests": {"storage": "7Gi"}}}}
    assert size_of({"spec": {"volumeClaimTemplates": [claim]}}) == "7Gi"


def test_a_chart_without_mlflow_needs_nothing() -> None:
    assert tracking([{"kind": "Deployment", "metadata": {"name": "judge"}}]) == Tracking(None, stores=False)
