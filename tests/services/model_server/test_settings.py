from __future__ import annotations

from pathlib import Path

import pytest

from services.model_server.errors import SettingsError
from services.model_server.settings import read_settings


def test_the_defaults_fake_no_fault_and_write_no_log() -> None:
    settings = read_settings({"CANARIO_PACKAGE": "p"})
    assert settings.package == Path("p")
    assert (settings.version, settings.workers, settings.log_dir, settings.peers) == ("1", 1, None, ())
    assert settings.label_slot_seconds == 30
    assert (settings.fault_error_ratio, settings.fault_slow_ratio, settings.fault_stale_ratio) == (0, 0, 0)


def test_an_empty_variable_is_not_set() -> None:
    assert read_settings({"CANARIO_LOG_DIR": "", "CANARIO_VERSION": ""}, Path("baked")).package == Path("baked")


def test_peers_are_a_list() -> None:
    settings = read_settings({"CANARIO_PACKAGE": "p", "CANARIO_PEERS": "a:1, b.c:2,,[::1]:3 "})
    assert settings.peers == ("a:1", "b.c:2", "[::1]:3")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PEERS", "canary", "'canary' is not host:port, such as churn-canary:3000"),
        ("FAULT_ERROR_RATIO", "5", "less than or equal to 1"),
        ("FAULT_SLOW_RATIO", "nan", "finite number"),
        ("LABEL_SLOT_SECONDS", "0.4", "greater than or equal to 0.5"),
        ("WORKERS", "0", "greater than or equal to 1"),
        ("VERSION", "a b", "match pattern"),
        ("LOG_FILES", "many", "valid integer"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"(?s)CANARIO_{name}: .*{message}.*It is: "):
        read_settings({"CANARIO_PACKAGE": "p", f"CANARIO_{name}": value})


def test_a_package_must_be_named() -> None:
    with pytest.raises(SettingsError, match="CANARIO_PACKAGE: is not set"):
        read_settings({})
