"""Plan signatures: what ssh-keygen takes we take, what it refuses we refuse, and say why."""

from __future__ import annotations

import base64
import random
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.access.signatures import NAMESPACE, PlanSignature, PlanSignatureError, verify_plan
from plans.catalog import example
from tests.signatures import keys
from tests.signatures.keys import Signer, armored, made, ssh_keygen, string

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PLAN = example("first").read_bytes()
MUTATIONS = 400


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Signer]:
    folder = tmp_path_factory.mktemp("keys")
    found: dict[str, Signer] = {}

    def of(kind: str) -> Signer:
        if kind not in found:
            found[kind] = made(kind, folder)
        return found[kind]

    return of


def verified(
    source: bytes, armor: bytes, allowed: bytes, now: datetime = NOW
) -> PlanSignature | PlanSignatureError:
    try:
        return verify_plan(source, armor, allowed, now=now)
    except PlanSignatureError as error:
        return error


def believed_by_ssh_keygen(folder: Path, source: bytes, armor: bytes, allowed: bytes) -> list[str]:
    """Return the principals for which ``ssh-keygen -Y verify`` says that all is well, at `NOW`."""
    (folder / "allowed").write_bytes(allowed)
    (folder / "sig").write_bytes(armor)
    at = f"-Overify-time={NOW:%Y%m%d%H%M%SZ}"
    files = ["-f", str(folder / "allowed"), "-s", str(folder / "sig"), at]
    find = [ssh_keygen(), "-Y", "find-principals", *files]
    found = subprocess.run(find, capture_output=True, check=False)
    principals = found.stdout.decode().split("\n")[:-1] if found.returncode == 0 else []
    good = []
    for principal in principals:
        verify = [ssh_keygen(), "-Y", "verify", *files, "-n", NAMESPACE, "-I", principal]
        if subprocess.run(verify, input=source, capture_output=True, check=False).returncode == 0:
            good.append(principal)
    return good


@pytest.mark.parametrize("kind", keys.ALL)
def test_a_signature_of_every_type_is_told_as_ssh_keygen_tells_it(
    kind: str, signer: Callable[[str], Signer], tmp_path: Path
) -> None:
    by = signer(kind)
    armor, allowed = by.sign(PLAN), by.allowed()
    found = verify_plan(PLAN, armor, allowed, now=NOW)
    assert [found.principal] == believed_by_ssh_keygen(tmp_path, PLAN, armor, allowed)
    (tmp_path / "key.pub").write_text(by.public + "\n")
    listed = subprocess.check_output([ssh_keygen(), "-l", "-f", tmp_path / "key.pub"], text=True)
    assert found.fingerprint in listed
    assert found.key_type == by.public.split()[0]
    for other in (PLAN + b"\n", PLAN[:-1], b"", PLAN.replace(b"\n", b"\r\n")):
        assert not believed_by_ssh_keygen(tmp_path, other, armor, allowed)
        refused = verified(other, armor, allowed)
        assert isinstance(refused, PlanSignatureError)
        assert "altered" in refused.message


@pytest.mark.parametrize("name", ["sha256", "sha512"])
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_both_hashes_are_taken(kind: str, name: str, signer: Callable[[str], Signer]) -> None:
    armor = signer(kind).sign(PLAN, NAMESPACE, f"-Ohashalg={name}")
    assert isinstance(verified(PLAN, armor, signer(kind).allowed()), PlanSignature)


LINES = {
    "plain": ("anna@comune.example", ""),
    "two names": ("anna@comune.example,desk", ""),
    "quoted": ('"Anna Rossi"', ""),
    "namespace": ("anna", f'namespaces="{NAMESPACE}"'),
    "namespaces": ("anna", f'namespaces="git,{NAMESPACE}"'),
    "namespace pattern": ("anna", 'namespaces="drorch-*"'),
    "namespace letter": ("anna", 'namespaces="drorch-pla?"'),
    "other namespace": ("anna", 'namespaces="git"'),
    "refused namespace": ("anna", f'namespaces="*,!{NAMESPACE}"'),
    "namespace in brackets": ("anna", 'namespaces="[d]rorch-plan"'),
    "namespace in capitals": ("anna", 'namespaces="DRORCH-PLAN"'),
    "valid": ("anna", 'valid-after="20260101Z",valid-before="20270101Z"'),
    "not yet": ("anna", 'valid-after="20270101Z"'),
    "not yet by a second": ("anna", 'valid-after="20261122090001Z"'),
    "since this second": ("anna", 'valid-after="20261122090000Z"'),
    "expired": ("anna", 'valid-before="202601010000Z"'),
    "expired by a second": ("anna", 'valid-before="20261122085959Z"'),
    "until this second": ("anna", 'valid-before="20261122090000Z"'),
    "local time": ("anna", 'valid-before="20261201"'),
    "in capitals": ("anna", f'NAMESPACES="{NAMESPACE}"'),
    "both": ("anna", f'namespaces="{NAMESPACE}",valid-before="20991231Z"'),
    "no such day": ("anna", 'valid-before="20261345Z"'),
    "no time": ("anna", 'valid-before="tomorrow"'),
    "unknown option": ("anna", 'frobnicate="yes"'),
    "option without value": ("anna", "namespaces"),
    "option not closed": ("anna", 'namespaces="drorch-plan'),
    "option twice": ("anna", 'namespaces="git",namespaces="drorch-plan"'),
    "authority": ("*@comune.example", "cert-authority"),
    "authority and more": ("*@comune.example", 'cert-authority,namespaces="drorch-plan"'),
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_a_line_means_what_it_means_to_ssh_keygen(
    line: tuple[str, str], signer: Callable[[str], Signer], tmp_path: Path
) -> None:
    by = signer("ed25519")
    armor, allowed = by.sign(PLAN), by.allowed(*line)
    theirs = believed_by_ssh_keygen(tmp_path, PLAN, armor, allowed)
    ours = verified(PLAN, armor, allowed)
    told = ours.principal.split(",") if isinstance(ours, PlanSignature) else []
    assert told == theirs


@pytest.mark.parametrize(
    "before",
    [
        b"this line is damaged\n",
        b"\xff\xfe\n",
        b'anna frob="x" ssh-ed25519 AAAA\n',
        b"anna ssh-ed25519 AAAA\n",
        b"# a comment\n\n   \n",
        b"anna ssh-dss AAAAB3NzaC1kc3M=\n",
        b'"anna\n',
    ],
)
def test_one_damaged_line_costs_nobody_else_the_right(
    before: bytes, signer: Callable[[str], Signer], tmp_path: Path
) -> None:
    by = signer("ed25519")
    armor, allowed = by.sign(PLAN), before + by.allowed("bob")
    assert believed_by_ssh_keygen(tmp_path, PLAN, armor, allowed) == ["bob"]
    found = verified(PLAN, armor, allowed)
    assert isinstance(found, PlanSignature)
    assert found.principal == "bob"


def test_the_first_line_that_allows_it_counts(signer: Callable[[str], Signer]) -> None:
    by = signer("ed25519")
    allowed = by.allowed("old", 'valid-before="20200101Z"') + by.allowed("new") + by.allowed("more")
    found = verified(PLAN, by.sign(PLAN), allowed)
    assert isinstance(found, PlanSignature)
    assert found.principal == "new"


def test_every_refusal_says_what_is_wrong(signer: Callable[[str], Signer]) -> None:
    by, other = signer("ed25519"), signer("rsa")
    armor = by.sign(PLAN)
    key = by.public.split()[1]
    certificate = base64.b64encode(string(b"ssh-ed25519-cert-v01@openssh.com")).decode()
    cases = {
        "was made for 'git'": (by.sign(PLAN, "git"), by.allowed()),
        "not among the allowed signers: ssh-ed25519 SHA256:": (armor, other.allowed()),
        "altered": (by.sign(PLAN + b"#"), by.allowed()),
        "line 1, anna: expired at 2026-01-01T00:00:00Z": (
            armor,
            by.allowed("anna", 'valid-before="20260101Z"'),
        ),
        "line 1, anna: not valid before 2027-01-01T00:00:00Z": (
            armor,
            by.allowed("anna", 'valid-after="20270101Z"'),
        ),
        'namespaces="git" do not include drorch-plan': (
            armor,
            by.allowed("anna", 'namespaces="git"'),
        ),
        "cert-authority lines allow certificates": (armor, by.allowed("*", "cert-authority")),
        "does not begin with -----BEGIN": (b"", by.allowed()),
        "no base64": (armor.replace(b"U1NI", b"U1N?"), by.allowed()),
        "ends in the middle": (armored(b"SSHSIG" + bytes(3)), by.allowed()),
        "version 2": (armored(b"SSHSIG" + (2).to_bytes(4, "big")), by.allowed()),
        "does not begin with SSHSIG": (armored(b"OPENPGP" * 9), by.allowed()),
        "a signature at most": (armor + b"\n" * 70_000, by.allowed()),
        "made with a certificate": (armored(fields(base64.b64decode(certificate))), by.allowed()),
        "keys of the type ssh-dss are not taken": (
            armored(fields(string(b"ssh-dss"))),
            by.allowed(),
        ),
        "field that has to be empty": (
            armored(fields(base64.b64decode(key), reserved=b"x")),
            by.allowed(),
        ),
        "something follows its end": (
            armored(fields(base64.b64decode(key)) + b"x"),
            by.allowed(),
        ),
        "something else than sha256 or sha512": (
            armored(fields(base64.b64decode(key), hash_name=b"md5")),
            by.allowed(),
        ),
    }
    for words, (given, allowed) in cases.items():
        error = verified(PLAN, given, allowed)
        assert isinstance(error, PlanSignatureError), words
        assert words in error.message
        assert error.hint
        assert error.code == "plan-signature"


def fields(
    key: bytes, *, reserved: bytes = b"", hash_name: bytes = b"sha512", signature: bytes = b""
) -> bytes:
    parts = (key, NAMESPACE.encode(), reserved, hash_name, signature)
    return b"SSHSIG" + (1).to_bytes(4, "big") + b"".join(string(part) for part in parts)


def test_what_is_damaged_in_the_list_is_told_to_whom_it_may_concern(
    signer: Callable[[str], Signer],
) -> None:
    error = verified(PLAN, signer("ed25519").sign(PLAN), b"anna ssh-ed25519 AAAA\n")
    assert isinstance(error, PlanSignatureError)
    assert "line 1: " in error.hint


@pytest.mark.parametrize("kind", keys.SECURITY_KEYS)
def test_a_security_key_has_to_be_touched(kind: str, signer: Callable[[str], Signer]) -> None:
    by = signer(kind)
    error = verified(PLAN, by.sign(PLAN, touched=False), by.allowed())
    assert isinstance(error, PlanSignatureError)
    assert "not touched" in error.message


def test_a_short_rsa_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "id-short"
    make = [ssh_keygen(), "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", str(path)]
    subprocess.run(make, check=True)
    sign = [ssh_keygen(), "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(path)]
    armor = subprocess.run(sign, input=PLAN, check=True, capture_output=True).stdout
    public = path.with_suffix(".pub").read_bytes().rsplit(b" ", 1)[0]
    error = verified(PLAN, armor, b"anna " + public)
    assert isinstance(error, PlanSignatureError)
    assert "1024 bits" in error.message


@pytest.mark.parametrize("kind", keys.ALL)
def test_no_altered_plan_and_no_altered_signature_is_taken(
    kind: str, signer: Callable[[str], Signer]
) -> None:
    """Every byte of the signature is altered twice, and bytes of the plan at random."""
    by = signer(kind)
    armor, allowed = by.sign(PLAN), by.allowed()
    assert isinstance(verified(PLAN, armor, allowed), PlanSignature)
    chance = random.Random(kind)
    for what, at, altered in alterations(armor, chance):
        plan, signature = (PLAN, altered) if what == "armor" else (altered, armor)
        assert isinstance(verified(plan, signature, allowed), PlanSignatureError), (what, at)


def alterations(armor: bytes, chance: random.Random) -> list[tuple[str, int, bytes]]:
    """Return altered signatures and plans; a line end that is another line end is none."""
    found = []
    for at in range(len(armor)):
        for byte in (armor[at] ^ (1 << chance.randrange(8)), chance.randrange(256)):
            if byte != armor[at]:
                found.append(("armor", at, armor[:at] + bytes([byte]) + armor[at + 1 :]))
    for _ in range(MUTATIONS):
        at = chance.randrange(len(PLAN))
        byte = (PLAN[at] + chance.randrange(1, 256)) % 256
        found.append(("plan", at, PLAN[:at] + bytes([byte]) + PLAN[at + 1 :]))
    for at in range(0, len(PLAN), 7):
        found.append(("plan", at, PLAN[:at] + PLAN[at + 1 :]))
        found.append(("plan", at, PLAN[:at] + b" " + PLAN[at:]))
    return found


@pytest.mark.parametrize("kind", keys.ALL)
def test_what_is_inside_of_a_signature_cannot_be_altered(
    kind: str, signer: Callable[[str], Signer]
) -> None:
    """Below the base64, where every byte of every field is reached with any other value."""
    by = signer(kind)
    armor, allowed = by.sign(PLAN), by.allowed()
    blob = base64.b64decode(b"".join(armor.split(b"\n")[1:-2]))
    assert armored(blob) == armor
    chance = random.Random(kind)
    for at in range(len(blob)):
        byte = (blob[at] + chance.randrange(1, 256)) % 256
        for altered in (
            blob[:at] + bytes([byte]) + blob[at + 1 :],
            blob[:at] + blob[at + 1 :],
            blob[:at] + bytes([byte]) + blob[at:],
            blob[:at],
        ):
            if altered != blob:
                assert isinstance(verified(PLAN, armored(altered), allowed), PlanSignatureError), at


def test_a_signature_of_one_is_not_one_of_the_other(signer: Callable[[str], Signer]) -> None:
    for kind in keys.ALL:
        for other in keys.ALL:
            if other != kind:
                found = verified(PLAN, signer(kind).sign(PLAN), signer(other).allowed())
                assert isinstance(found, PlanSignatureError)


def test_line_ends_of_other_systems_do_no_harm(signer: Callable[[str], Signer]) -> None:
    by = signer("ed25519")
    armor, allowed = by.sign(PLAN), by.allowed().replace(b"\n", b"\r\n")
    for given in (armor.replace(b"\n", b"\r\n"), armor.rstrip(b"\n"), armor + b"\n\n"):
        assert isinstance(verified(PLAN, given, allowed), PlanSignature)


def test_a_key_ends_with_its_time(signer: Callable[[str], Signer]) -> None:
    by = signer("ed25519")
    armor, allowed = by.sign(PLAN), by.allowed("anna", 'valid-before="20261122090000Z"')
    assert isinstance(verified(PLAN, armor, allowed, NOW), PlanSignature)
    later = verified(PLAN, armor, allowed, NOW + timedelta(seconds=1))
    assert isinstance(later, PlanSignatureError)
