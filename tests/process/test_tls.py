"""`drorch serve` over TLS, as a process of its own: who is answered, and by which certificate."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import socket
import ssl
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from api.host_names import of_this_machine
from api.tls import OwnTls, now, read
from tests.process.installation import ROOT, Installation, line_with

pytestmark = pytest.mark.process
PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def beyond_loopback() -> str:
    """Return an IPv4 address by which others reach this machine; without one, loopback's."""
    addresses = [name for name in of_this_machine() if name.replace(".", "").isdigit()]
    return next((a for a in addresses if not a.startswith("127.")), "127.0.0.1")


@contextlib.asynccontextmanager
async def serving(where: Installation, *arguments: str) -> AsyncIterator[tuple[Process, str]]:
    if "0.0.0.0" in arguments:  # nobody serves others without a way to log in
        await where.drorch("token", "create", "--name", "first", "--role", "admin")
    process = await where.launch("serve", *arguments)
    try:
        yield process, await line_with(process, "drorch serves on")
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), PATIENCE)


@pytest.fixture
async def where(tmp_path: Path) -> Installation:
    made = Installation(tmp_path, "http://127.0.0.1:9")
    code, out, complaints = await made.drorch("tls", "init", "--name", "drorch.comune.example")
    assert code == 0, complaints
    assert "write this fingerprint into the runbook" in out
    return made


def trusting(own: OwnTls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=own.authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def shown_at(port: int) -> str:
    """Return the fingerprint of the certificate that is shown to a new connection."""
    pem = ssl.get_server_certificate(("127.0.0.1", port), timeout=5)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


async def until_shown(port: int, fingerprint: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while await asyncio.to_thread(shown_at, port) != fingerprint:
            await asyncio.sleep(0.1)


def plain(own: OwnTls) -> str:
    return read(own.server).fingerprint.replace(":", "").lower()


async def test_it_serves_every_address_over_tls_and_takes_a_renewal_over(
    where: Installation,
) -> None:
    own, port = OwnTls.of(where.folder / "data"), free_port()
    async with serving(where, "--host", "0.0.0.0", "--port", str(port)) as (process, said):
        assert f"https://{socket.gethostname()}:{port}" in said
        async with httpx2.AsyncClient(verify=trusting(own)) as client:
            beyond = await client.get(f"https://{beyond_loopback()}:{port}/readyz")
            assert beyond.json()["status"] == "ready"
            answer = await client.get(f"https://localhost:{port}/readyz")
            assert "strict-transport-security" not in answer.headers  # localhost is others', too
            for host in ("evil.example", f"evil.example:{port}"):
                answer = await client.get(f"https://localhost:{port}/", headers={"Host": host})
                assert answer.json()["code"] == "host-refused"
            named = {"Host": f"drorch.comune.example:{port}"}
            answer = await client.get(f"https://localhost:{port}/healthz", headers=named)
            assert "max-age=31536000" in answer.headers["strict-transport-security"]
            before = plain(own)
            assert await asyncio.to_thread(shown_at, port) == before
            assert (await where.drorch("tls", "renew"))[0] == 0
            assert plain(own) != before
            await until_shown(port, plain(own))
            # the connection of before goes on: nobody who watches a recovery is cut off
            assert (await client.get(f"https://localhost:{port}/healthz")).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert b"certificate.changed" in log
        assert log.count(b"child.started") == 2


async def test_old_tls_and_plain_http_get_nothing(where: Installation) -> None:
    port = free_port()
    async with serving(where, "--port", str(port)):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert await speaks(port, version) == version.name.replace("_", ".")
        assert await speaks(port, ssl.TLSVersion.TLSv1_1) is None
        async with httpx2.AsyncClient() as client:
            with pytest.raises(httpx2.TransportError):
                await client.get(f"http://127.0.0.1:{port}/healthz")


async def speaks(port: int, version: ssl.TLSVersion) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    old = version < ssl.TLSVersion.TLSv1_2
    with pytest.warns(DeprecationWarning, match="TLSv1_1") if old else contextlib.nullcontext():
        context.minimum_version = context.maximum_version = version
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        return None
    spoken: str | None = writer.get_extra_info("ssl_object").version()
    writer.close()
    return spoken


async def test_the_command_line_trusts_what_it_is_told_to(where: Installation) -> None:
    own, port = OwnTls.of(where.folder / "data"), free_port()
    other = OwnTls.of(where.folder / "other")
    other.make(["localhost"], now())
    url = f"https://localhost:{port}"
    async with serving(where, "--port", str(port)):
        code, _, told = await where.drorch("runs", "--server", url)
        assert code == 4
        assert "is not trusted, and nothing was sent" in told
        assert "--ca FILE or DRORCH_CA" in told
        code, out, told = await where.drorch(
            "--ca", str(own.authority), "--server", url, "runs", "--format", "json"
        )
        assert code == 0, told
        assert json.loads(out) == []
        assert (await where.drorch("runs", "--server", url, "--ca", str(other.authority)))[0] == 4
        code, _, told = await where.drorch("runs", "--server", url, f"--ca={own.folder}/none.pem")
        assert code == 2
        assert "none.pem cannot be used" in told
        code, _, told = await where.drorch(
            "status", "nope", "--server", url, "--ca", str(own.authority)
        )
        assert f"--ca {own.authority}" in told


async def test_a_given_certificate_that_ran_out_still_serves(where: Installation) -> None:
    """In a disaster clocks and dates are wrong: drorch does not stay away because of them."""
    given = OwnTls.of(where.folder / "given")
    given.make(["drorch.comune.example"], now() - timedelta(days=400))
    port = free_port()
    with where.config.open("a") as file:
        file.write(f'[server]\ntls_cert = "{given.server}"\ntls_key = "{given.server}"\n')
    async with serving(where, "--host", "0.0.0.0", "--port", str(port)) as (_, said):
        assert "drorch serves on https" in said
        assert await asyncio.to_thread(shown_at, port) == plain(given)


async def test_an_own_certificate_is_renewed_when_it_starts(where: Installation) -> None:
    own, port = OwnTls.of(where.folder / "data"), free_port()
    own.make(["localhost"], now() - timedelta(days=300), force=True)
    before = plain(own)
    async with serving(where, "--port", str(port)) as (_, said):
        assert "https://" in said
        assert plain(own) != before
        assert await asyncio.to_thread(shown_at, port) == plain(own)
        assert await is_well(where, port) == 0
    assert await is_well(where, port) == 1


async def is_well(where: Installation, port: int) -> int | None:
    """Ask as the health check of a container does; return its exit code."""
    given = {"DRORCH_CONFIG": str(where.config), "DRORCH_SERVER__PORT": str(port)}
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.answering"), env={**os.environ, **given}, cwd=ROOT
    )
    return await asyncio.wait_for(asking.wait(), PATIENCE)


async def test_without_tls_it_does_not_start_beyond_loopback(tmp_path: Path) -> None:
    where = Installation(tmp_path, "http://127.0.0.1:9")
    code, out, told = await where.drorch("serve", "--host", "0.0.0.0")
    assert (code, out) == (2, "")
    assert "tls init' makes a certificate" in told
    wrong = where.folder / "wrong.pem"
    wrong.write_text("nothing")
    with where.config.open("a") as file:
        file.write(f'[server]\ntls_cert = "{wrong}"\ntls_key = "{wrong}"\n')
    code, _, told = await where.drorch("serve", "--host", "0.0.0.0")
    assert code == 2
    assert "TLS cannot be done with" in told


async def test_behind_a_proxy_only_the_proxy_gets_an_answer(tmp_path: Path) -> None:
    here = beyond_loopback()
    where = Installation(tmp_path, "http://127.0.0.1:9")
    port = free_port()
    with where.config.open("a") as file:
        file.write('[server]\ntrusted_proxy = ["127.0.0.1"]\nnames = ["drorch.comune.example"]\n')
    forwarded = {
        "Host": "drorch.comune.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "198.51.100.7",
    }
    async with (
        serving(where, "--host", "0.0.0.0", "--port", str(port)) as (_, said),
        httpx2.AsyncClient() as client,
    ):
        assert f"http://{socket.gethostname()}:{port}" in said

        async def sent(origin: str) -> httpx2.Response:
            url = f"http://127.0.0.1:{port}/api/v1/plans/validate"
            headers = {**forwarded, "Origin": origin, "Content-Type": "application/yaml"}
            return await client.post(url, content="plan: x", headers=headers)

        answer = await sent("https://drorch.comune.example")
        assert answer.json()["code"] not in {"origin-refused", "host-refused"}
        assert "strict-transport-security" in answer.headers
        assert (await sent("http://drorch.comune.example")).json()["code"] == "origin-refused"
        # from this very machine's other address it is still this machine
        answer = await client.get(f"http://{here}:{port}/healthz", headers={"Host": "localhost"})
        assert answer.status_code == 200
