"""``ldap``, ``dns`` and ``ntp`` against real servers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import pytest

from drorch.ports.check import Verdict
from tests.checks.asking import ask, prober
from tests.checks.certificates import Authority
from tests.checks.serving import accepts, carried_out, free_port, running
from tests.lab_gate import need

Room = Callable[[str], Path]

SLAPD = """
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCertificateFile {pair.certificate}
TLSCertificateKeyFile {pair.key}
database mdb
suffix "dc=comune,dc=example"
directory {folder}/data
access to dn.base="ou=hidden,dc=comune,dc=example" by * none
access to * by * read
"""
ENTRIES = """
dn: dc=comune,dc=example
objectClass: dcObject
objectClass: organization
o: Comune
dc: comune

dn: ou=people,dc=comune,dc=example
objectClass: organizationalUnit
ou: people
"""


@pytest.fixture(scope="module")
def ldap(room: Room, authority: Authority) -> Iterator[tuple[int, int]]:
    slapd = need("slapd", why="LDAP server", install="apt-get install slapd")
    add = need("slapadd", why="LDAP server", install="apt-get install slapd")
    folder, plain, secure = room("slapd"), free_port(), free_port()
    (folder / "data").mkdir()
    conf = folder / "slapd.conf"
    conf.write_text(SLAPD.format(folder=folder, pair=authority.issue("ldap", days=30)))
    carried_out([add, "-f", conf], text=ENTRIES)
    urls = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{secure}"
    with running([slapd, "-f", conf, "-h", urls, "-d", "0"], folder=folder, ready=accepts(secure)):
        yield plain, secure


@pytest.mark.parametrize("base", [None, "", "ou=people,dc=comune,dc=example"])
async def test_ldap(ldap: tuple[int, int], base: str | None) -> None:
    result = await ask("ldap", {"host": "127.0.0.1", "port": ldap[0], "base": base})
    assert result.healthy, result
    assert "dc=comune,dc=example" in result.evidence


async def test_ldaps(ldap: tuple[int, int], authority: Authority) -> None:
    params = {"host": "127.0.0.1", "port": ldap[1], "tls": True}
    blind = await ask("ldap", params)
    trusting = prober(authorities={"comune-ca": authority.path})
    verified = await ask("ldap", {**params, "ca": "comune-ca"}, using=trusting)
    assert blind.healthy, blind
    assert verified.healthy, verified


@pytest.mark.parametrize(
    ("port", "more", "words"),
    [
        (0, {"base": "ou=nobody,dc=comune,dc=example"}, "no such object"),
        (0, {"base": "not a name"}, "result 34"),
        (0, {"base": "ou=" + "x" * 300 + ",dc=comune,dc=example"}, "no such object"),
        (0, {"tls": True}, "TLS"),
        (1, {}, "closed"),
    ],
)
async def test_ldap_that_answers_otherwise_is_unwell(
    ldap: tuple[int, int], port: int, more: dict[str, Any], words: str
) -> None:
    result = await ask("ldap", {"host": "127.0.0.1", "port": ldap[port], **more}, timeout=2)
    assert result.verdict is Verdict.UNWELL
    assert words in result.evidence or "no complete answer" in result.evidence


def answers(port: int, name: str) -> Callable[[], bool]:
    def ready() -> bool:
        query = dns.message.make_query(name, "A")
        with contextlib.suppress(dns.exception.DNSException, OSError):
            dns.query.udp(query, "127.0.0.1", port=port, timeout=1)
            return True
        return False

    return ready


ZONE = """
$TTL 60
@ IN SOA ns.lab.test. root.lab.test. 1 60 60 60 60
@ IN NS ns.lab.test.
ns IN A 127.0.0.1
app IN A 10.1.0.10
app IN A 10.1.0.11
www IN CNAME app
_ldap._tcp IN SRV 0 100 389 dc01.lab.test.
note IN TXT "All Is Well"
v6 IN AAAA fd00::10
"""


@pytest.fixture(scope="module")
def bind(room: Room) -> Iterator[int]:
    named = need("named", why="name server", install="apt-get install bind9")
    folder, port = room("bind"), free_port()
    large = "".join(f'large IN TXT "{number:04d}{"x" * 200}"\n' for number in range(40))
    (folder / "zone").write_text(ZONE + large)
    conf = folder / "named.conf"
    conf.write_text(
        f'options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }};'
        f' listen-on-v6 {{ none; }}; pid-file "{folder}/pid"; recursion no;'
        f' session-keyfile "{folder}/session.key"; dnssec-validation no; }};\n'
        "controls {};\n"
        f'zone "lab.test" {{ type primary; file "{folder}/zone"; }};\n'
    )
    command: list[str | Path] = [named, "-c", conf, "-f", "-n", "1"]
    with running(command, folder=folder, ready=answers(port, "ns.lab.test")):
        yield port


@pytest.mark.parametrize(
    ("name", "kind", "expect"),
    [
        ("app.lab.test", None, None),
        ("app.lab.test", "A", ["10.1.0.10"]),
        ("APP.lab.test.", "a", ["10.1.0.11", "10.1.0.10"]),
        ("www.lab.test", "A", ["10.1.0.10"]),
        ("www.lab.test", "CNAME", ["app.lab.test"]),
        ("_ldap._tcp.lab.test", "SRV", ["0 100 389 dc01.lab.test"]),
        ("note.lab.test", "TXT", ["All is well"]),
        ("v6.lab.test", "AAAA", ["fd00::10"]),
        ("lab.test", "SOA", None),
        ("large.lab.test", "TXT", None),
    ],
)
async def test_dns(bind: int, name: str, kind: str | None, expect: list[str] | None) -> None:
    params = {"server": "127.0.0.1", "port": bind, "name": name, "type": kind, "expect": expect}
    result = await ask("dns", params)
    assert result.healthy, result


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("app.lab.test", {"expect": ["10.1.0.99"]}, "wanted 10.1.0.99"),
        ("nobody.lab.test", {}, "NXDOMAIN"),
        ("app.lab.test", {"type": "AAAA"}, "no records"),
        ("elsewhere.example", {}, "REFUSED"),
    ],
)
async def test_dns_that_answers_otherwise_is_unwell(
    bind: int, name: str, more: dict[str, Any], words: str
) -> None:
    result = await ask("dns", {"server": "127.0.0.1", "port": bind, "name": name, **more})
    assert result.verdict is Verdict.UNWELL
    assert words in result.evidence


async def test_dnsmasq(room: Room) -> None:
    dnsmasq = need("dnsmasq", why="name server", install="apt-get install dnsmasq-base")
    port = free_port()
    command = [
        dnsmasq,
        "--no-daemon",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
        f"--port={port}",
        "--address=/app.lab.test/127.0.0.1",
    ]
    with running(command, folder=room("dnsmasq"), ready=answers(port, "app.lab.test")):
        params = {"server": "127.0.0.1", "port": port, "name": "app.lab.test"}
        result = await ask("dns", {**params, "expect": ["127.0.0.1"]})
    assert result.healthy, result


@pytest.mark.parametrize("kind", ["dns", "ntp"])
async def test_nothing_listens_for_datagrams(kind: str) -> None:
    port = free_port(socket.SOCK_DGRAM)
    params = {"host": "127.0.0.1", "server": "127.0.0.1", "port": port, "name": "app.lab.test"}
    assert (await ask(kind, params)).verdict is Verdict.REFUSED


def tells_time(port: int) -> Callable[[], bool]:
    def ready() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            with contextlib.suppress(OSError):
                sock.connect(("127.0.0.1", port))
                sock.send(b"\x23" + bytes(47))
                return bool(sock.recv(100))
        return False

    return ready


@contextlib.contextmanager
def chrony(folder: Path, settings: str) -> Iterator[int]:
    chronyd = need("chronyd", why="time server", install="apt-get install chrony")
    port = free_port(socket.SOCK_DGRAM)
    conf = folder / "chrony.conf"
    conf.write_text(
        f"{settings}\nport {port}\nbindaddress 127.0.0.1\nallow 127.0.0.0/8\ncmdport 0\n"
        f"bindcmdaddress /\npidfile {folder}/pid\ndriftfile {folder}/drift\n"
    )
    command: list[str | Path] = [chronyd, "-d", "-x", "-f", conf, "-u", folder.owner()]
    with running(command, folder=folder, ready=tells_time(port)):
        yield port


async def test_ntp(room: Room) -> None:
    with chrony(room("chrony"), "local stratum 8") as port:
        params = {"host": "127.0.0.1", "port": port}
        result = await ask("ntp", {**params, "max_offset": 0.5})
        strict = await ask("ntp", {**params, "max_offset": -1.0})
    assert result.healthy, result
    assert "stratum 8, offset" in result.evidence
    assert strict.verdict is Verdict.UNWELL


async def test_ntp_that_is_not_synchronised_is_unwell(room: Room) -> None:
    with chrony(room("chrony-lost"), "") as port:
        result = await ask("ntp", {"host": "127.0.0.1", "port": port})
    assert result.verdict is Verdict.UNWELL
    assert "not synchronised" in result.evidence or "refuses service" in result.evidence
