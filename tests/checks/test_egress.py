"""An attacker's corpus: nothing that plans or settings say leads to an address that is not allowed.

Real listeners stand on loopback addresses that are not allowed, beside one that is; whoever touches
one of them has escaped. What the odd spellings mean is proved first: without the guard they lead there.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from typing_extensions import override

from connectors import egress
from connectors.callouts import ConfiguredCallouts
from connectors.checks.trust import Trust
from connectors.network import Network
from drorch.errors import ConfigurationError, DrorchError, OutcomeUnknownError, UnreachableError
from tests.checks.asking import SECRET, ask, prober
from tests.checks.certificates import NAME, Authority
from tests.checks.hostile import BEHAVIOURS, behaving

ALLOWED, FORBIDDEN = "127.0.0.2", "127.0.0.3"
ONLY = [f"{ALLOWED}/32"]
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"
BOUND, SHORT = 3.0, 0.5
BLIND = Trust({}).blind()


@dataclass
class Stage:
    """An allowed listener and forbidden ones, all on the same port; ``escapes`` has to stay empty."""

    port: int
    authority: Authority
    says: bytes = PAGE
    welcome: list[bytes] = field(default_factory=list)
    escapes: list[str] = field(default_factory=list)

    def network(self, lookup: Callable[[str], Sequence[str]] | None = None) -> Network:
        return Network(ONLY, lookup=lookup or numeric)

    def url(self, host: str) -> str:
        return f"http://{host}:{self.port}/"


NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "evil.lab": [FORBIDDEN],
    "evil.lab.": [FORBIDDEN],
    "xn--hxajbheg2az3al.lab": [FORBIDDEN],
    "metadata.google.internal": ["169.254.169.254"],
    "mapped.lab": [f"::ffff:{FORBIDDEN}"],
    "several.lab": ["127.0.0.1", FORBIDDEN, "::1"],
    "good.lab": [ALLOWED],
}


def numeric(host: str) -> Sequence[str]:
    """Answer as the system does for every spelling of an address, and for our names."""
    if host.lower() in NAMES:
        return NAMES[host.lower()]
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    return [str(answer[4][0]) for answer in found]


class _Counting(asyncio.DatagramProtocol):
    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @override
    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.stage.escapes.append(f"datagram {data[:20]!r}")


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(BOUND):
        while not look():
            await asyncio.sleep(0.01)


@pytest.fixture
async def stage(authority: Authority) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        made = Stage(0, authority)

        async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
                made.welcome.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(made.says)
                await writer.drain()
            writer.close()

        async def escape(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            made.escapes.append(str(writer.get_extra_info("sockname")))
            writer.close()

        server = await asyncio.start_server(welcome, ALLOWED, 0)
        await stack.enter_async_context(server)
        made.port = int(server.sockets[0].getsockname()[1])
        for address in (FORBIDDEN, "127.0.0.1", "::1"):
            with contextlib.suppress(OSError):  # a machine without IPv6, a port that is taken
                await stack.enter_async_context(
                    await asyncio.start_server(escape, address, made.port)
                )
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Counting(made), local_addr=(FORBIDDEN, made.port)
        )
        stack.callback(transport.abort)
        yield made
        # Whoever came before this one is accepted before it.
        earlier = len(made.escapes)
        _, knocking = await asyncio.open_connection(FORBIDDEN, made.port)
        await until(lambda: len(made.escapes) > earlier)
        knocking.close()
        assert len(made.escapes) == 1


async def by_check(stage: Stage, url: str, network: Network) -> bool:
    params = {"url": url, "verify": False}
    result = await ask("http", params, using=prober(network=network), timeout=BOUND)
    return result.healthy


async def by_hook(stage: Stage, url: str, network: Network) -> bool:
    table = {"it": {"url": url, "timeout": f"{BOUND}s", "ca": "lab"}}
    with contextlib.suppress(ConfigurationError):
        callouts = ConfiguredCallouts(
            table,
            secret=lambda name: SECRET,
            network=network,
            authorities={"lab": stage.authority.path},
        )
        return (await callouts.call("it", {})).ok
    return False


async def by_exchange(stage: Stage, url: str, network: Network) -> bool:
    with contextlib.suppress(DrorchError):
        answer = await egress.exchange(
            network, "POST", url, content=b"{}", timeout=BOUND, verify=BLIND
        )
        return answer.ok
    return False


WAYS = {"check": by_check, "hook": by_hook, "exchange": by_exchange}

SPELLINGS = [
    "2130706435",
    "0x7f000003",
    "0X7F000003",
    "017700000003",
    "0177.0.0.3",
    "0x7f.0.0.3",
    "0x7f.0x0.0x0.0x3",
    "0177.0x0.0.03",
    "127.3",
    "127.0.3",
    FORBIDDEN,
]
"""Each leads to the forbidden listener, and without the guard arrives there."""

HOSTS = [
    *SPELLINGS,
    "127.0.0.1",
    "0",
    "0.0.0.0",
    "0x0",
    "127.0.0.3.",
    "127。0。0。3",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff13",
    "①②⑦.⓪.⓪.③",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::1%lo]",
    "[::1%25lo]",
    f"[::ffff:{FORBIDDEN}]",
    "[::ffff:7f00:3]",
    "[0:0:0:0:0:ffff:7f00:0003]",
    f"[::{FORBIDDEN}]",
    f"[::ffff:0:{FORBIDDEN}]",
    f"[64:ff9b::{FORBIDDEN}]",
    f"[64:ff9b:1::{FORBIDDEN}]",
    "[2002:7f00:3::1]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[ff02::1]",
    "169.254.169.254",
    "2852039166",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "255.255.255.255",
    "224.0.0.1",
    "localhost",
    "LOCALHOST",
    "evil.lab",
    "evil.lab.",
    "EVIL.lab",
    "παράδειγμα.lab",
    "metadata.google.internal",
    "mapped.lab",
    "several.lab",
]

ADDRESSES = [
    "http://127.0.0.2@{bad}/",
    "http://127.0.0.2:80@{bad}/",
    "http://good.lab:secret@{bad}/",
    "http://127.0.0.2%2f@{bad}/",
    "http://127.0.0.2%00@{bad}/",
    "http://127.0.0.2\\@{bad}/",
    "http://{bad}\\@127.0.0.2/",
    "http://{bad}#@127.0.0.2/",
    "http://{bad}?@127.0.0.2/",
    "http://{bad};@127.0.0.2/",
    "http://{bad}%20.good.lab/",
    "http://%31%32%37.0.0.3:{port}/",
    "http://[127.0.0.3]:{port}/",
    "http://127.0.0.3%00.good.lab:{port}/",
    "HTTP://{bad}",
    "hTTps://{bad}/",
    "http:{bad}",
    "http:/{bad}/",
    "http:///{bad}/",
    "http:\\\\{bad}\\",
    "//{bad}/",
    "{bad}",
    " http://{bad}/",
    "http://{bad} /",
    "http://127.0.0.2\n@{bad}/",
    "http://127.0.0.2\t@{bad}/",
    "http://{good}/ HTTP/1.1\r\nHost: {bad}\r\n\r\nGET http://{bad}/",
    "http://{good}@{bad}:{port}/",
    "ftp://{bad}/",
    "gopher://{bad}/_GET",
    "ws://{bad}/",
    "dict://{bad}/",
    "ldap://{bad}/",
    "file:///etc/passwd",
    "file://{bad}/etc/passwd",
    "unix:///run/docker.sock",
    "http+unix://%2Frun%2Fdocker.sock/info",
    "httpunix://localhost/run/docker.sock",
    "data:text/plain,well",
    "javascript:alert(1)",
    "jar:http://{bad}!/",
    "",
    "http://",
    "http://:{port}/",
    "http://good.lab:99999/",
    "http://good.lab:-1/",
    "http://good.lab:0/",
]


def test_the_corpus_is_no_smaller_than_promised() -> None:
    assert len(set(HOSTS) | set(ADDRESSES)) >= 80


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_what_is_allowed_is_reached(way: Callable[..., Any], stage: Stage) -> None:
    for host in (ALLOWED, "good.lab", "0x7f000002", "[::ffff:127.0.0.2]"):
        assert await way(stage, stage.url(host), stage.network()), host
    assert len(stage.welcome) == 4
    assert f"host: good.lab:{stage.port}".encode() in stage.welcome[1].lower()


async def test_without_the_guard_they_would_arrive(stage: Stage) -> None:
    """If these did not lead there, the tests below would prove nothing."""
    lax = Network(["127.0.0.0/8"], lookup=numeric)
    for host in SPELLINGS:
        params = {"host": host, "port": stage.port}
        assert (await ask("tcp", params, using=prober(network=lax), timeout=BOUND)).healthy, host
        await until(lambda: len(stage.escapes) == 1)
        stage.escapes.clear()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_no_spelling_of_a_host_escapes(way: Callable[..., Any], stage: Stage) -> None:
    for host in HOSTS:
        assert not await way(stage, stage.url(host), stage.network()), host
        assert (host, stage.welcome, stage.escapes) == (host, [], [])


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_no_spelling_of_an_address_escapes(way: Callable[..., Any], stage: Stage) -> None:
    places = {"bad": f"{FORBIDDEN}:{stage.port}", "good": f"{ALLOWED}:{stage.port}"}
    for address in ADDRESSES:
        text = address.format(**places, port=stage.port)
        assert not await way(stage, text, stage.network()), address
        assert (address, stage.escapes) == (address, [])
    assert all(b"\nHost: 127.0.0.3" not in asked for asked in stage.welcome)


async def test_no_spelling_of_a_host_escapes_a_bare_check(stage: Stage) -> None:
    for host in HOSTS:
        params = {"host": host.strip("[]"), "port": stage.port}
        result = await ask("tcp", params, using=using(stage), timeout=BOUND)
        assert not result.healthy, host
        assert (host, stage.escapes) == (host, [])


def using(stage: Stage, lookup: Callable[[str], Sequence[str]] | None = None) -> Any:
    return prober(network=stage.network(lookup))


LOGIN = {"user": "probe", "secret": "probe", "database": "app", "share": "data"}
KINDS: dict[str, dict[str, Any]] = {
    "dns": {"name": "app.lab.test"},
    "icmp": {},
    "ldap": {},
    "ldap over TLS": {"tls": True},
    "mysql": {},
    "mysql with login": LOGIN,
    "ntp": {},
    "postgres": {},
    "postgres with login": LOGIN,
    "redis": {},
    "redis with login": {"secret": "probe"},
    "smb": {},
    "smb with login": LOGIN,
    "smtp": {},
    "ssh": {},
    "tcp": {},
    "tls": {},
}


@pytest.mark.parametrize("target", [FORBIDDEN, "0x7f000003", "mapped.lab", "several.lab", "::1"])
@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_asks_the_guard(kind: str, target: str, stage: Stage) -> None:
    params = {"host": target, "server": target, "port": stage.port, **KINDS[kind]}
    result = await ask(kind.split(maxsplit=1)[0], params, using=using(stage), timeout=BOUND)
    assert not result.healthy
    assert "[network] allow" in result.evidence


@pytest.mark.parametrize("name", ["database", "user"])
@pytest.mark.parametrize(
    "value", ["host={bad} port={port}", "postgresql://{bad}:{port}/app", "x' hostaddr='{bad}"]
)
async def test_a_database_name_is_no_address(
    name: str, value: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PGHOST", "PGHOSTADDR"):
        monkeypatch.setenv(variable, FORBIDDEN)
    text = value.format(bad=FORBIDDEN, port=stage.port)
    params = {"host": ALLOWED, "port": stage.port, **LOGIN, name: text}
    result = await ask("postgres", params, using=using(stage), timeout=SHORT)
    assert not result.healthy


PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_proxies_of_the_environment_are_not_heeded(
    way: Callable[..., Any], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in PROXIES:
        monkeypatch.setenv(variable, stage.url(FORBIDDEN))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert await way(stage, stage.url(ALLOWED), stage.network())
    assert len(stage.welcome) == 1


TARGETS = [
    "http://{bad}/",
    "//{bad}/",
    "http://0x7f000003:{port}/",
    "http://127.0.0.2@{bad}/",
    "http://evil.lab:{port}/",
    "https://{bad}/",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "gopher://{bad}/",
    "http:\\\\{bad}\\",
    "http://[::1]:{port}/",
    "/again\\@{bad}",
    "\x0bhttp://{bad}/",
]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_away(status: int, way: Callable[..., Any], stage: Stage) -> None:
    for target in TARGETS:
        place = target.format(bad=f"{FORBIDDEN}:{stage.port}", port=stage.port)
        head = f"HTTP/1.1 {status} Away\r\nLocation: {place}\r\nRefresh: 0; url={place}\r\n"
        stage.says = head.encode() + b"Content-Length: 0\r\n\r\n"
        assert not await way(stage, stage.url(ALLOWED), stage.network()), target
        assert not await way(stage, stage.url("good.lab"), stage.network()), target


def rebinding(*answers: Sequence[str]) -> tuple[Callable[[str], Sequence[str]], list[str]]:
    """Play a name server whose next answer is another; also return what it was asked."""
    turns, asked = itertools.cycle(answers), list[str]()

    def lookup(host: str) -> Sequence[str]:
        asked.append(host)
        return next(turns)

    return lookup, asked


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_second_answer_of_the_name_server_changes_nothing(
    way: Callable[..., Any], stage: Stage
) -> None:
    lookup, asked = rebinding([ALLOWED], [FORBIDDEN])
    network = stage.network(lookup)
    came = [await way(stage, stage.url("rebind.lab"), network) for _ in range(6)]
    assert came == [True, False] * 3
    assert asked == ["rebind.lab"] * 6, "looked up once for each request"


@pytest.mark.parametrize("kind", ["tcp", "postgres with login", "mysql with login", "smb", "ssh"])
async def test_a_check_that_connects_twice_asks_once(kind: str, stage: Stage) -> None:
    lookup, asked = rebinding([ALLOWED], [FORBIDDEN])
    params = {"host": "rebind.lab", "port": stage.port, **KINDS[kind]}
    await ask(kind.split(maxsplit=1)[0], params, using=using(stage, lookup), timeout=SHORT)
    assert asked == ["rebind.lab"]


async def test_a_redirect_on_the_same_host_is_checked_anew(stage: Stage) -> None:
    lookup, asked = rebinding([ALLOWED], [FORBIDDEN])
    stage.says = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
    assert not await by_check(stage, stage.url("rebind.lab"), stage.network(lookup))
    assert len(asked) == 2


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    "answers",
    [
        [FORBIDDEN, ALLOWED],
        [ALLOWED, FORBIDDEN],
        ["::1", f"::ffff:{FORBIDDEN}", ALLOWED],
        [FORBIDDEN, "169.254.169.254", "127.0.0.1", "10.0.0.1", "::1", ALLOWED],
    ],
)
async def test_of_several_addresses_only_the_allowed_is_used(
    answers: Sequence[str], way: Callable[..., Any], stage: Stage
) -> None:
    assert await way(stage, stage.url("many.lab"), stage.network(lambda host: answers))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_where_the_allowed_address_is_silent_no_other_is_tried(
    way: Callable[..., Any], stage: Stage
) -> None:
    with socket.create_server((FORBIDDEN, 0)) as lone:
        lone.settimeout(0)
        port = lone.getsockname()[1]
        network = stage.network(lambda host: [ALLOWED, FORBIDDEN])
        assert not await way(stage, f"http://many.lab:{port}/", network)
        with pytest.raises(BlockingIOError):
            lone.accept()


async def test_a_client_keeps_no_connection_for_another_name(stage: Stage) -> None:
    """Two names of one address: the second must not use what was opened for the first."""
    async with egress.client(stage.network(lambda host: [ALLOWED]), verify=BLIND) as out:
        await out.get(stage.url("first.lab"))
        await out.get(stage.url("second.lab"))
    assert len(stage.welcome) == 2


@contextlib.asynccontextmanager
async def secured(authority: Authority) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve the page over TLS for `NAME`; give the port and the names that were asked for."""
    pair = authority.issue("egress", days=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    names: list[str] = []
    context.sni_callback = lambda _s, name, _c: names.append(str(name))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(PAGE)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, ALLOWED, 0, ssl=context) as server:
        yield int(server.sockets[0].getsockname()[1]), names


async def test_the_certificate_is_compared_with_the_name(authority: Authority) -> None:
    trusted = ssl.create_default_context(cafile=str(authority.path))
    network = Network(ONLY, lookup=lambda host: [ALLOWED])
    async with secured(authority) as (port, names):
        good = await egress.exchange(
            network, "GET", f"https://{NAME}:{port}/", timeout=BOUND, verify=trusted
        )
        assert (good.ok, good.body) == (True, b"well")
        for other in ("other.lab.test", ALLOWED):
            with pytest.raises(UnreachableError, match="TLS"):
                await egress.exchange(
                    network, "GET", f"https://{other}:{port}/", timeout=BOUND, verify=trusted
                )
        with pytest.raises(UnreachableError, match="TLS"):
            await egress.exchange(
                network,
                "GET",
                f"https://{NAME}:{port}/",
                timeout=BOUND,
                verify=Trust({}).context(None),
            )
    assert names[0] == NAME


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
async def test_an_exchange_ends_in_time_and_keeps_little(behaviour: str) -> None:
    begin = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nalmost"
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with behaving(BEHAVIOURS[behaviour], begin) as port:
        url = f"http://127.0.0.1:{port}/{SECRET}"
        asking = egress.exchange(Network(), "POST", url, timeout=0.5, most=4096, verify=BLIND)
        (ended,) = await asyncio.gather(asking, return_exceptions=True)
    if isinstance(ended, egress.Answer):
        assert behaviour == "half-flood"
        assert len(ended.body) == 4096
    else:
        assert isinstance(ended, OutcomeUnknownError)
        assert SECRET not in ended.message
    assert loop.time() - started < BOUND


async def test_who_is_certain_that_nothing_was_sent_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnreachableError, match="nothing was sent"):
        await egress.exchange(
            Network(), "POST", f"http://127.0.0.1:{port}/", timeout=BOUND, verify=BLIND
        )
    with pytest.raises(UnreachableError, match="could not be resolved"):
        await egress.exchange(
            Network(lookup=numeric), "POST", "http://nobody.lab/", timeout=BOUND, verify=BLIND
        )


def test_a_client_heeds_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.3:1")
    out = egress.client(Network(), verify=BLIND)
    assert not out.trust_env
    assert not out.follow_redirects
    assert isinstance(out, httpx2.AsyncClient)
