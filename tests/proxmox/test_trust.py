"""Endpoints: fail-over, certificates that are wrong, and things that are no hypervisor."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from drorch.errors import (
    AuthenticationError,
    CertificateError,
    ConnectorError,
    ProtocolError,
    UnavailableError,
    UnreachableError,
)
from drorch.ports.connector import Connector, Power, Severity
from tests.fakes.permit import allowed
from tests.proxmox.certificates import make_certificate
from tests.proxmox.cluster import FakeCluster, vm
from tests.proxmox.conftest import Connect, becomes

WRONG = ":".join(["AB"] * 32)


async def refused(connector: Connector, kind: type[ConnectorError]) -> ConnectorError:
    """Return the error that every kind of call gives."""
    errors = []
    for call in (
        connector.identify,
        connector.survey,
        lambda: connector.start("101", permit=allowed),
        lambda: connector.look("101"),
        lambda: connector.examine(["101"]),
    ):
        with pytest.raises(kind) as caught:
            await call()
        errors.append(caught.value)
        assert caught.value.hint
    return errors[0]


async def test_the_pinned_certificate_is_enough(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    pin = fake.certificate.fingerprint
    connector = await connect(fingerprint=pin.upper())
    assert (await connector.look("101")).power is Power.OFF


async def test_a_ca_is_enough_whatever_the_environment_says(
    fake: FakeCluster, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake.reset(vm(101))
    other = make_certificate(tmp_path, "other")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(other.cert))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for trust in (
        {"ca": str(fake.certificate.cert), "fingerprint": None},
        {"insecure": True, "fingerprint": None},
        {},
    ):
        connector = await connect(**trust)
        assert (await connector.look("101")).power is Power.OFF


@pytest.mark.parametrize("trust", ["fingerprint", "ca", "name"])
async def test_a_wrong_certificate_never_gets_the_token(
    fake: FakeCluster, connect: Connect, trust: str, tmp_path: Path
) -> None:
    fake.reset(vm(101))
    if trust == "fingerprint":
        connector = await connect(fingerprint=WRONG)
    elif trust == "ca":
        connector = await connect(fingerprint=None, ca=str(make_certificate(tmp_path, "x").cert))
    else:  # the right authority, but a certificate for somebody else
        connector = await connect(
            endpoints=[f"localhost:{fake.ports['pve1']}"],
            fingerprint=None,
            ca=str(fake.certificate.cert),
        )
    error = await refused(connector, CertificateError)
    assert "the token was not sent" in error.message
    assert "pvenode cert info" in error.hint
    assert fake.log() == []  # nothing at all was received, no header, no path


async def test_the_fingerprint_that_was_shown_is_told(fake: FakeCluster, connect: Connect) -> None:
    error = await refused(await connect(fingerprint=WRONG), CertificateError)
    shown = error.message.partition("fingerprint is ")[2][:95]
    assert shown.replace(":", "").lower() == fake.certificate.fingerprint


async def test_a_wrong_certificate_at_one_endpoint_is_passed_by_and_reported(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect("pve1", "pve2", fingerprint=fake.certificates["pve2"].fingerprint)
    await connector.start("101", permit=allowed)
    await becomes(connector, "101", Power.RUNNING)
    assert {entry["contact"] for entry in fake.log()} == {"pve2"}
    codes = {(f.code, f.severity) for f in await connector.examine(["101"])}
    assert codes == {("endpoint-certificate", Severity.WARNING)}


async def test_the_next_endpoint_is_asked_when_one_is_down(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect("pve1", "pve2")
    await connector.survey()
    fake.do("endpoint", node="pve1", up=False)
    # Certainly not received by the first, so the second may get it.
    await connector.start("101", permit=allowed)
    await becomes(connector, "101", Power.RUNNING)
    assert len(fake.orders()) == 1
    assert fake.guest(101)["starts"] == 1
    codes = [f.code for f in await connector.examine(["101"])]
    assert codes == ["endpoint-down"]


async def test_an_endpoint_whose_cluster_file_system_is_down_is_passed_by(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    connector = await connect("pve1", "pve2")
    reason = (
        "RPCEnvironment init request failed: Unable to load access control list: Connection refused"
    )
    fake.do("fault", kind="status", status=500, reason=reason)
    assert (await connector.identify()).version == "8.4.1"


async def test_the_contacted_nodes_own_daemon_is_down(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    connector = await connect()
    await connector.survey()
    fake.do(
        "fault",
        kind="status",
        path="/nodes/pve1",
        status=595,
        times=99,
        reason="Connection refused",
    )
    survey = await connector.survey()
    assert survey.machines["101"].power is Power.UNKNOWN
    assert "pvedaemon" in survey.hosts["pve1"].reason
    with pytest.raises(UnavailableError, match="pvedaemon"):
        await connector.start("101", permit=allowed)


async def test_nobody_listens(fake: FakeCluster, connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        connector = await connect(endpoints=[endpoint, endpoint])
        error = await refused(connector, UnreachableError)
    assert "no endpoint answers" in error.message
    assert "refused" in error.message
    assert "port 8006" in error.hint


async def test_a_name_that_does_not_resolve(connect: Connect) -> None:
    connector = await connect(endpoints=["no-such-host.invalid:8006"])
    await refused(connector, UnreachableError)


async def test_a_listener_that_stays_silent(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        connector = await connect(endpoints=[endpoint], connect_timeout=0.3, read_timeout=0.3)
        async with asyncio.timeout(10):
            with pytest.raises(UnreachableError):
                await connector.identify()


async def test_a_port_that_speaks_no_tls(fake: FakeCluster, connect: Connect) -> None:
    connector = await connect(endpoints=[fake.endpoint("plain")])
    error = await refused(connector, ProtocolError)
    assert "does not speak TLS" in error.message
    assert fake.log() == []


async def test_a_wrong_secret_is_told_once_and_names_the_token(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101))
    fake.secret_file.with_name("wrong.secret").write_text("0000")
    connector = await connect(
        token_secret={"file": str(fake.secret_file.with_name("wrong.secret"))}
    )
    with pytest.raises(AuthenticationError, match="drorch@pve!recovery") as caught:
        await connector.identify()
    assert "0000" not in caught.value.message + caught.value.hint
    assert "pveum user token list drorch@pve" in caught.value.hint
    assert len(fake.log()) == 1  # each refusal costs 3 s, so it is not tried again
    fake.secret_file.with_name("wrong.secret").write_text(fake.secret_file.read_text())
    assert (await connector.identify()).version == "8.4.1"  # and the file is read anew


@pytest.mark.parametrize(
    "body",
    [
        "<html>hello</html>",
        "",
        "[1, 2]",
        '"text"',
        "null",
        '{"nodata": 1}',
        "\x00\x01",
        '{"data": {"a": 1}}',
        '{"data": [3]}',
        '{"data": "text"}',
    ],
)
async def test_rubbish_is_called_rubbish(fake: FakeCluster, connect: Connect, body: str) -> None:
    connector = await connect()
    fake.do("fault", kind="raw", body=body, times=99)
    with pytest.raises(ProtocolError) as caught:
        await connector.survey()
    assert caught.value.message


@pytest.mark.parametrize("status", [302, 404, 418])
async def test_a_status_that_proxmox_never_gives(
    fake: FakeCluster, connect: Connect, status: int
) -> None:
    connector = await connect()
    fake.do("fault", kind="status", status=status, reason="Odd", body="<html/>", times=99)
    with pytest.raises(ProtocolError):
        await connector.identify()


async def test_a_redirection_is_not_followed(fake: FakeCluster, connect: Connect) -> None:
    connector = await connect()
    fake.do("fault", kind="status", path="/version", status=302, reason="Found", body="{}")
    with pytest.raises(ProtocolError, match="redirects"):
        await connector.identify()
    assert len(fake.log()) == 1


@pytest.mark.parametrize("node", ["../../access", "a b", "", "x/y", "pve1?x=1"])
async def test_a_node_name_that_climbs_is_not_followed(
    fake: FakeCluster, connect: Connect, node: str
) -> None:
    fake.reset(vm(101, node="pve1"))
    connector = await connect()
    row = f'{{"data": [{{"type": "qemu", "vmid": 101, "node": "{node}", "status": "running"}}]}}'
    fake.do("fault", kind="raw", path="/cluster/resources", body=row)
    with pytest.raises(ProtocolError, match="node name"):
        await connector.survey()
    assert not [e for e in fake.log() if "access" in e["path"]]
