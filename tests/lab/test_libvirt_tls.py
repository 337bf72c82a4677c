"""A libvirt host over TLS: who may connect, and what a wrong certificate is called."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors.libvirt import factory
from drorch.errors import CertificateError, ProtocolError, UnreachableError
from drorch.ports.connector import Connector
from tests.lab.libvirtd import LabLibvirtd

pytestmark = pytest.mark.lab

_CONFIG = """\
listen_tls = 1
listen_addr = "127.0.0.1"
tls_port = "{port}"
auth_tls = "none"
key_file = "{{folder}}/pki/serverkey.pem"
cert_file = "{{folder}}/pki/servercert.pem"
ca_file = "{{folder}}/pki/cacert.pem"
"""


class Authority:
    """A certificate authority that writes files as libvirt wants them."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self._name, self._key, authority=True)

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, folder: Path, name: str) -> None:
        """Write *name* key and certificate, and this authority's own certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(subject, key, authority=False)
        folder.mkdir(exist_ok=True)
        pem = serialization.Encoding.PEM
        (folder / f"{name}key.pem").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        (folder / f"{name}cert.pem").write_bytes(certificate.public_bytes(pem))
        (folder / "cacert.pem").write_bytes(self.certificate.public_bytes(pem))


@dataclass(frozen=True)
class TlsHost:
    """A libvirtd that listens with TLS, and a client's folder of certificates."""

    daemon: LabLibvirtd
    port: int
    pki: Path

    def connector(self, *, host: str = "127.0.0.1", pki: Path | None = None) -> Connector:
        uri = f"qemu+tls://{host}:{self.port}/session?pkipath={pki or self.pki}"
        return factory("tls", {"uri": uri, "connect_timeout": "5s"})


@pytest.fixture(scope="module")
def tls_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsHost]:
    port = _free_port()
    daemon = LabLibvirtd("--listen", more_config=_CONFIG.format(port=port))
    ours = Authority("lab")
    ours.issue(daemon.folder / "pki", "server")
    for path in (daemon.folder / "pki").iterdir():
        path.chmod(0o644)
    client = tmp_path_factory.mktemp("pki")
    ours.issue(client, "client")
    try:
        daemon.start()
        yield TlsHost(daemon, port, client)
    finally:
        daemon.close()


async def test_a_good_certificate_leads_to_the_same_estate(tls_host: TlsHost) -> None:
    connector = tls_host.connector()
    local = factory("local", {"uri": tls_host.daemon.uri})
    await connector.open()
    await local.open()
    assert await connector.identify() == await local.identify()
    assert (await connector.survey()).machines == {}
    await connector.close()
    await local.close()


async def test_another_authoritys_server_is_not_believed(
    tls_host: TlsHost, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Authority("stranger").issue(tmp_path / "pki", "client")
    connector = tls_host.connector(pki=tmp_path / "pki")
    await connector.open()
    with pytest.raises(CertificateError) as caught:
        await connector.survey()
    assert caught.value.hint
    await connector.close()
    assert capfd.readouterr().err == "", "the library is kept from writing on standard error"


async def test_another_authoritys_client_is_not_let_in(tls_host: TlsHost, tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    Authority("stranger").issue(pki, "client")
    shutil.copy(tls_host.pki / "cacert.pem", pki)
    connector = tls_host.connector(pki=pki)
    await connector.open()
    with pytest.raises(CertificateError) as caught:
        await connector.survey()
    print(caught.value.message)
    await connector.close()


async def test_a_missing_certificate_is_named(tls_host: TlsHost, tmp_path: Path) -> None:
    shutil.copytree(tls_host.pki, tmp_path / "pki")
    (tmp_path / "pki" / "cacert.pem").unlink()
    connector = tls_host.connector(pki=tmp_path / "pki")
    await connector.open()
    with pytest.raises(CertificateError, match=r"cacert\.pem"):
        await connector.survey()
    await connector.close()


async def test_nobody_listening_is_unreachable(tls_host: TlsHost) -> None:
    uri = f"qemu+tls://127.0.0.1:{_free_port()}/session?pkipath={tls_host.pki}"
    connector = factory("tls", {"uri": uri})
    await connector.open()
    with pytest.raises(UnreachableError):
        await connector.survey()
    await connector.close()


async def test_a_driver_that_is_not_there_is_a_wrong_uri(tls_host: TlsHost) -> None:
    uri = tls_host.daemon.uri.replace("/session", "/system")
    connector = factory("wrong", {"uri": uri})
    await connector.open()
    with pytest.raises(ProtocolError) as caught:
        await connector.survey()
    assert "uri" in caught.value.hint
    await connector.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
