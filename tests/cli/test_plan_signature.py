"""``drorch validate --signature``: who signed is told, and what is wrong is a problem."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Drorch, plan
from tests.signatures.keys import made


def test_who_signed_is_told_and_an_altered_plan_is_a_problem(
    drorch: Drorch, tmp_path: Path
) -> None:
    path, by = Path(plan(tmp_path)), made("ed25519", tmp_path)
    signature, allowed = tmp_path / "plan.sig", tmp_path / "allowed"
    signature.write_bytes(by.sign(path.read_bytes()))
    allowed.write_bytes(by.allowed("anna@comune.example"))
    asked = ("validate", str(path), "--signature", str(signature))
    told = drorch(*asked, "--allowed-signers", str(allowed))
    assert told.code == 0, told
    assert "signed by anna@comune.example" in told.out.replace("\n", " ")

    path.write_bytes(path.read_bytes() + b"# one word more\n")
    told = drorch(*asked, "--allowed-signers", str(allowed), "--format", "json")
    assert told.code == 2
    assert [problem["code"] for problem in told.json] == ["plan-signature"]
    assert told.json[0]["file"] == str(signature)
    assert "altered" in told.json[0]["message"]


def test_a_missing_file_and_two_plans_are_told(drorch: Drorch, tmp_path: Path) -> None:
    path, nowhere = str(plan(tmp_path)), str(tmp_path / "none.sig")
    told = drorch("validate", path, "--signature", nowhere)
    assert told.code == 2
    assert "cannot be read" in told.out.replace("\n", " ")
    told = drorch("validate", path, path, "--signature", nowhere)
    assert told.code == 2
    assert "one plan" in told.err
