"""The guard: what may be reached, whatever the name or the spelling of an address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from ipaddress import ip_address

import httpx2
import pytest

from connectors.network import Network
from drorch.errors import ConfigurationError, UnreachableError
from drorch.ports.check import Verdict
from tests.checks.asking import ask, prober
from tests.checks.hostile import behaving, page


def names(**table: Sequence[str]) -> Network:
    """Return a guard whose names are *table*, with ``_`` for the dot."""
    return Network(lookup=lambda host: table[host.replace(".", "_")])


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "172.16.0.1", "192.168.9.9", "127.0.0.1", "::1", "fd12:3456::1"],
)
def test_private_ranges_and_loopback_are_allowed(address: str) -> None:
    assert Network().allows(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "100.64.0.1", "2001:db8::1", "2606:4700::1"],
)
def test_the_internet_is_not_allowed_unless_named(address: str) -> None:
    assert not Network().allows(ip_address(address))
    assert Network(["0.0.0.0/0", "::/0"]).allows(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "fd12::5efe:a9fe:a9fe",
        "2001:0:a9fe:a9fe::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:42::42",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ],
)
def test_link_local_and_its_disguises_are_never_allowed(address: str) -> None:
    assert not Network(["0.0.0.0/0", "::/0"]).allows(ip_address(address))


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "dc01.comune.example", "", "10.0.0.0-10.0.0.9"])
def test_an_entry_that_is_no_network_names_the_setting(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\[network\] allow"):
        Network([entry])


async def test_every_address_of_a_name_is_checked_and_ipv4_comes_first() -> None:
    network = names(dual_lab=["2001:db8::5", "fd00::5", "169.254.1.1", "10.0.0.5"])
    assert await network.candidates("dual.lab", 80) == ["10.0.0.5", "fd00::5"]
    assert await network.resolve("dual.lab", 80) == "10.0.0.5"


@pytest.mark.parametrize(
    "address", ["64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8", "2002:808:808::1", "fd00::5efe:8.8.8.8"]
)
def test_a_gateway_leads_only_where_one_may_go_directly(address: str) -> None:
    assert not Network(["10.0.0.0/8", "::/0"]).allows(ip_address(address))
    assert Network(["8.8.8.8/32", "::/0"]).allows(ip_address(address))


async def test_a_zone_does_not_choose_the_way() -> None:
    assert await Network().resolve("fd00::5%eth7", 80) == "fd00::5"


async def test_a_mapped_address_is_contacted_as_what_it_is() -> None:
    assert await Network().resolve("::ffff:10.0.0.1", 80) == "10.0.0.1"


@pytest.mark.parametrize("host", ["0xa9.0xfe.0xa9.0xfe", "2852039166", "0"])
async def test_odd_spellings_are_seen_through(host: str) -> None:
    result = await ask("tcp", {"host": host, "port": 80})
    assert result.verdict is Verdict.BROKEN
    assert "[network] allow" in result.evidence


async def test_a_name_that_leads_outside_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"rebind\.lab:80 \(8\.8\.8\.8\)"):
        await names(rebind_lab=["8.8.8.8"]).resolve("rebind.lab", 80)


async def test_an_unknown_name_is_unreachable() -> None:
    def nobody(host: str) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(UnreachableError, match="could not be resolved"):
        await Network(lookup=nobody).resolve("dc01.lab", 389)
    result = await ask(
        "tcp", {"host": "dc01.lab", "port": 1}, using=prober(network=Network(lookup=nobody))
    )
    assert result.verdict is Verdict.UNREACHABLE


async def test_a_name_server_that_hangs_costs_the_timeout_and_one_thread() -> None:
    release, asked = threading.Event(), []

    def hangs(host: str) -> Sequence[str]:
        asked.append(host)
        release.wait(30)
        return ["127.0.0.1"]

    checks = prober(network=Network(lookup=hangs))
    probes = (
        ask("tcp", {"host": "dc01.lab", "port": 1}, using=checks, timeout=0.2) for _ in range(20)
    )
    results = await asyncio.gather(*probes)
    release.set()
    assert {result.verdict for result in results} == {Verdict.UNREACHABLE}
    assert asked == ["dc01.lab"]


async def test_http_goes_to_the_checked_address_and_keeps_the_name() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        network = names(app_lab=["fd00::dead:1", "127.0.0.1"], away_lab=["8.8.8.8"])
        result = await ask(
            "http", {"url": f"http://app.lab:{port}/"}, using=prober(network=network)
        )
        assert result.healthy, result
        assert f"host: app.lab:{port}".encode() in seen[0].lower()
        async with httpx2.AsyncClient(transport=network.transport()) as client:
            with pytest.raises(ConfigurationError):
                await client.get("http://away.lab/")


async def test_a_redirect_to_another_host_is_not_followed() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\n\r\n"
    async with behaving(page, away) as port:
        result = await ask("http", {"url": f"http://127.0.0.1:{port}/"})
        wanted = await ask("http", {"url": f"http://127.0.0.1:{port}/", "status": [302]})
    assert result.verdict is Verdict.UNWELL
    assert "not followed" in result.evidence
    assert wanted.healthy


async def test_redirects_in_a_circle_end() -> None:
    async with behaving(page, b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n") as port:
        result = await ask("http", {"url": f"http://127.0.0.1:{port}/"})
    assert result.verdict is Verdict.UNWELL
    assert "redirects" in result.evidence


async def test_only_the_first_mebibyte_is_searched() -> None:
    body = b"x" * (1 << 20) + b"well"
    async with behaving(page, b"HTTP/1.1 200 OK\r\n\r\n" + body) as port:
        result = await ask("http", {"url": f"http://127.0.0.1:{port}/", "contains": "well"})
    assert result.verdict is Verdict.UNWELL
    assert "1048576 bytes" in result.evidence


async def test_text_across_two_parts_is_found() -> None:
    async def parts(writer: asyncio.StreamWriter, half: bytes) -> None:
        for part in (b"HTTP/1.1 200 OK\r\n\r\nwe ", b"are w", b"ell", b" thanks"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.01)
        await page(writer, b"")

    async with behaving(parts, b"") as port:
        result = await ask("http", {"url": f"http://127.0.0.1:{port}/", "contains": "well"})
    assert result.healthy, result
