"""Passwords, one-time codes, sessions, tokens, roles and what is sealed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyotp
import pytest

from api.key_files import own_key
from drorch.access import tokens
from drorch.access.people import (
    IDLE,
    SESSION,
    WeakPasswordError,
    code_step,
    hash_password,
    new_session,
    new_totp,
    password_fits,
    session_hash,
)
from drorch.access.principal import Means, NotAllowedError, Principal
from drorch.access.roles import LEAST, Permission, Role, is_allowed, to_abort, to_start
from drorch.access.sealing import Seal, SealError, new_key
from drorch.run.status import Mode

PASSWORD = "quattro gatti sul tetto"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def test_a_password_fits_itself_alone() -> None:
    stored = hash_password(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert password_fits(PASSWORD, stored)
    assert not password_fits(PASSWORD + " ", stored)
    assert not password_fits(PASSWORD, "")
    assert not password_fits("", "")
    assert not password_fits(PASSWORD, "$argon2id$broken")
    assert not password_fits("x" * 300, stored)


def test_passwords_are_checked_side_by_side() -> None:
    """With several lanes, OpenSSL's threads wait for each other for ever."""
    stored = hash_password(PASSWORD)
    found: list[bool] = []
    checks = [
        threading.Thread(target=lambda: found.append(password_fits(PASSWORD, stored)), daemon=True)
        for _ in range(6)
    ]
    for check in checks:
        check.start()
    for check in checks:
        check.join(30)
    assert found == [True] * 6


@pytest.mark.parametrize("password", ["short", "x" * 12, "abababababababab", "y" * 257])
def test_a_weak_password_is_refused(password: str) -> None:
    with pytest.raises(WeakPasswordError):
        hash_password(password)


def test_a_code_is_right_for_its_half_minute_and_its_neighbours() -> None:
    secret, now = new_totp(), 1_800_000_015.0
    totp, step = pyotp.TOTP(secret), int(now) // 30
    for offset, wanted in ((-2, None), (-1, step - 1), (0, step), (1, step + 1), (2, None)):
        assert code_step(secret, totp.at((step + offset) * 30), now) == wanted
    for wrong in (
        "",
        "12345",
        "1234567",
        "abcdef",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        " 12345",
    ):
        assert code_step(secret, wrong, now) is None


def test_a_session_ends_unused_and_old() -> None:
    session, cookie = new_session("mario", "10.0.0.1")
    assert session.hash == session_hash(cookie)
    assert cookie not in str(session.row())
    assert not session.is_over(session.created + 1)
    assert session.is_over(session.created + IDLE)
    assert session.is_over(session.created + SESSION)
    assert session.is_over(session.created - 3600), "the clock went back"


def test_a_token_is_known_by_its_form() -> None:
    secret, key = tokens.make()
    assert tokens.id_of(secret) == key
    for wrong in (secret[:-1], secret + "0", secret.replace("drt_", "drx_"), "", secret.upper()):
        assert tokens.id_of(wrong) is None
    mistyped = secret[:20] + ("a" if secret[20] != "a" else "b") + secret[21:]
    assert tokens.id_of(mistyped) is None


def test_a_token_is_refused_with_the_reason_only_to_who_has_it() -> None:
    secret, key = tokens.make()
    token = tokens.Token(
        id=key,
        name="ci",
        role=Role.VIEWER,
        hash=tokens.hashed(secret),
        created_at="",
        created_by="",
        expires_at=NOW,
        addresses=("10.1.0.0/24",),
        last_used_at=None,
        last_used_from="",
        revoked_at=None,
    )
    before = NOW - timedelta(seconds=1)
    assert token.refusal(secret, "10.1.0.9", before) == ""
    assert token.refusal(secret, "::ffff:10.1.0.9", before) == ""
    assert "expired" in token.refusal(secret, "10.1.0.9", NOW)
    assert "10.2.0.9" in token.refusal(secret, "10.2.0.9", before)
    assert token.refusal(tokens.make()[0], "10.1.0.9", NOW) == "the token is not known"


def test_each_role_includes_the_ones_before() -> None:
    assert set(LEAST) == set(Permission)
    held = [{p for p in Permission if is_allowed(role, p)} for role in Role]
    for less, more in pairwise(held):
        assert less < more
    assert held[-1] == set(Permission)
    assert held[0] == {Permission.READ, Permission.VALIDATE_PLANS}


def test_what_touches_machines_takes_a_responder() -> None:
    for mode in Mode:
        wanted = Role.RESPONDER if mode in (Mode.LIVE, Mode.SHUTDOWN) else Role.OPERATOR
        assert LEAST[to_start(mode)] is wanted
        assert LEAST[to_abort(mode)] is wanted


def test_who_may_not_is_told_what_it_takes() -> None:
    viewer = Principal(id="v", name="anna", role=Role.VIEWER, means=Means.PERSON)
    viewer.allow(Permission.READ)
    with pytest.raises(NotAllowedError, match="anna is viewer, and this takes admin"):
        viewer.allow(Permission.LIFT_HALT)


def test_what_is_sealed_opens_for_its_owner_alone() -> None:
    seal = Seal(new_key())
    sealed = seal.close("a secret", "totp/mario")
    assert "a secret" not in sealed
    assert sealed != seal.close("a secret", "totp/mario")
    assert seal.open(sealed, "totp/mario") == "a secret"
    for text, about, by in (
        (sealed, "totp/anna", seal),
        (sealed, "totp/mario", Seal(new_key())),
        (sealed[:-4] + "AAAA", "totp/mario", seal),
        (sealed.removeprefix("s1:"), "totp/mario", seal),
        ("", "totp/mario", seal),
        ("s1:", "totp/mario", seal),
        ("s1:ù", "totp/mario", seal),
    ):
        with pytest.raises(SealError):
            by.open(text, about)


@pytest.mark.parametrize("key", ["", "short", "ù", "A" * 43])
def test_a_key_of_another_form_is_refused(key: str) -> None:
    with pytest.raises(SealError):
        Seal(key)


def test_a_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "seal"
    made = own_key(file, new_key)
    assert own_key(file, new_key) == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in file.parent.iterdir()] == ["seal"]
