"""Secrets are references, and each kind says what to do when it leads nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.secrets import SecretRef
from drorch.errors import ConfigurationError


def test_a_credential_is_read_from_where_systemd_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pve.token").write_text("s3cret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert SecretRef(credential="pve.token").read() == "s3cret"
    with pytest.raises(ConfigurationError, match=r"other\.token"):
        SecretRef(credential="other.token").read()


def test_a_process_without_credentials_is_told_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigurationError, match="was given none") as told:
        SecretRef(credential="pve.token").read()
    assert "LoadCredential=pve.token:" in told.value.hint


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"file": "/x", "credential": "y"},
        {"env": "X", "credential": "y"},
        {"credential": "../shadow"},
        {"credential": "/etc/shadow"},
        {"credential": ".."},
        {"credential": ""},
    ],
)
def test_one_place_and_no_way_out_of_it(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SecretRef(**given)
