"""The own certificate: right for strict clients, private, renewed in time, bound to its names."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.host_names import canonical, is_loopback, of_this_machine
from api.tls import OwnTls, certificate_in, read
from drorch.errors import ConfigurationError

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAMES = ("drorch.comune.example", "10.1.0.9", "fd00::9", "localhost", "127.0.0.1")


@pytest.fixture
def own(tmp_path: Path) -> OwnTls:
    made = OwnTls.of(tmp_path)
    made.make(NAMES, NOW)
    return made


def handshake(own: OwnTls, name: str, server: Path | None = None) -> None:
    """Shake hands as a client that trusts the authority alone and is strict. Raises ssl.SSLError."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(server or own.server)
    asking = ssl.create_default_context(cafile=own.authority)
    asking.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VerifyFlags(0x200000)  # no check of dates
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(back, there, server_hostname=name)
    peer = serving.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for side in (client, peer):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.cipher()


@pytest.mark.parametrize("name", NAMES)
def test_strict_clients_trust_it_for_each_name(own: OwnTls, name: str) -> None:
    handshake(own, name)


@pytest.mark.parametrize("name", ["evil.example", "comune.example", "10.1.0.8"])
def test_no_other_name_is_vouched_for(own: OwnTls, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(own, name)


def test_a_stolen_authority_vouches_for_nothing_else(own: OwnTls) -> None:
    """People have imported it into their telephones: it must not speak for their bank."""
    authority, key = own._signing()
    own._issue(authority, key, ["bank.example"], NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        handshake(own, "bank.example")


def test_browsers_accept_how_long_it_is_valid(own: OwnTls) -> None:
    found = read(own.server)
    assert timedelta(days=365) <= found.until - found.since < timedelta(days=398)
    assert found.since < NOW


def test_all_of_it_is_private(own: OwnTls) -> None:
    assert stat.S_IMODE(own.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in own.folder.iterdir()} == {0o600}
    assert {file.name for file in own.folder.iterdir()} == {
        "authority.pem",
        "authority.key",
        "server.pem",
    }


def test_a_second_init_replaces_nothing(own: OwnTls) -> None:
    before = {file: file.read_bytes() for file in own.folder.iterdir()}
    with pytest.raises(ConfigurationError, match="already") as told:
        own.make(NAMES, NOW)
    assert "--force" in told.value.hint
    assert {file: file.read_bytes() for file in own.folder.iterdir()} == before
    own.make(NAMES, NOW, force=True)
    assert not any(file.read_bytes() == content for file, content in before.items())


@pytest.mark.parametrize(
    ("days", "is_renewed"),
    [(0, False), (240, False), (245, True), (364, True), (400, True)],
)
def test_it_is_renewed_when_a_third_is_left(own: OwnTls, days: int, is_renewed: bool) -> None:
    before = own.server.read_bytes()
    authority = own.authority.read_bytes()
    when = NOW + timedelta(days=days)
    assert own.renew_if_due(when) is is_renewed
    assert (own.server.read_bytes() != before) is is_renewed
    assert own.authority.read_bytes() == authority
    assert set(read(own.server).names) == set(NAMES)
    assert read(own.server).until > when
    handshake(own, NAMES[0])


def test_a_clock_before_the_authority_is_named(own: OwnTls) -> None:
    with pytest.raises(ConfigurationError, match="valid from 2026-04-30") as told:
        own.renew_if_due(NOW - timedelta(days=2))
    assert "clock" in told.value.hint


def test_a_certificate_of_the_future_is_replaced(own: OwnTls) -> None:
    """A clock that was ahead has made it."""
    own.renew(NOW + timedelta(days=900))
    assert own.renew_if_due(NOW) is True
    assert read(own.server).since < NOW


def test_nothing_is_renewed_where_nothing_was_made(tmp_path: Path) -> None:
    assert OwnTls.of(tmp_path).renew_if_due(NOW) is False
    assert list(tmp_path.iterdir()) == []


def test_an_authority_that_ran_out_says_so(own: OwnTls) -> None:
    with pytest.raises(ConfigurationError, match="until 2036") as told:
        own.renew(NOW + timedelta(days=3651))
    assert "init --force" in told.value.hint


def test_another_key_than_the_authoritys_is_refused(own: OwnTls, tmp_path: Path) -> None:
    other = OwnTls.of(tmp_path / "other")
    other.make(NAMES, NOW)
    own.authority_key.write_bytes(other.authority_key.read_bytes())
    with pytest.raises(ConfigurationError, match="not the key of"):
        own.renew(NOW)
    own.authority_key.write_text("nonsense")
    with pytest.raises(ConfigurationError, match="holds no key"):
        own.renew(NOW)


def test_a_file_without_a_certificate_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    with pytest.raises(ConfigurationError, match="cannot read"):
        read(file)
    file.write_text("hello")
    with pytest.raises(ConfigurationError, match="holds no certificate"):
        read(file)


def test_the_fingerprint_is_the_one_that_openssl_shows(own: OwnTls) -> None:
    der = certificate_in(own.server).public_bytes(Encoding.DER)
    import hashlib

    plain = hashlib.sha256(der).hexdigest().upper()
    assert read(own.server).fingerprint.replace(":", "") == plain


def test_two_authorities_do_not_share_a_name(own: OwnTls, tmp_path: Path) -> None:
    """Who has imported the older one would else be told of a forgery."""
    other = OwnTls.of(tmp_path / "other")
    other.make(NAMES, NOW)
    subjects = {certificate_in(one.authority).subject for one in (own, other)}
    assert len(subjects) == 2
    assert all(isinstance(subject, x509.Name) for subject in subjects)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Drorch.Comune.Example", "drorch.comune.example"),
        ("[::1]", "::1"),
        ("[FD00:0::9]", "fd00::9"),
        ("10.1.0.9", "10.1.0.9"),
        ("010.1.0.9", None),
        ("127.1", None),
        ("0x7f.0.0.1", None),
        ("host_name", None),
        ("https://x", None),
        ("x:8140", None),
        ("-x", None),
        ("", None),
        ("*.example", None),
        ("evil.example.", None),
        ("a" * 64, None),
        (".".join(["a" * 60] * 5), None),
    ],
)
def test_names_have_one_spelling(given: str, expected: str | None) -> None:
    assert canonical(given) == expected


def test_this_machine_knows_its_names() -> None:
    names = of_this_machine("B.example", "b.example")
    assert names[0] == "b.example"
    assert len(set(names)) == len(names)
    assert {"localhost", "127.0.0.1", "::1"} <= set(names)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True)]
    + [(host, False) for host in ("", "0.0.0.0", "::", "10.0.0.1", "localhost.example")],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
