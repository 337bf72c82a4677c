"""The service's own certificate, for a town without an authority: made, renewed and shown.

A small authority signs it: what people import into their telephones stays the same for ten years,
however often the certificate is renewed. The authority is bound to this installation's names, so
that a stolen key of it vouches for nothing else.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drorch.errors import ConfigurationError

AUTHORITY_LASTS = timedelta(days=3650)
LASTS = timedelta(days=365)
BACKDATED = timedelta(days=1)
"""The clocks of a site that comes back are not right yet. With it, still under 398 days."""

_PERSONS = 0o077
_AGAIN = "make all of it anew: drorch tls init --force (people then import the new authority)"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person needs to know about a certificate."""

    fingerprint: str
    names: tuple[str, ...]
    since: datetime
    until: datetime

    def is_due(self, now: datetime) -> bool:
        """Tell whether it should be renewed: less than a third is left, or it is of the future."""
        return now < self.since or self.until - now < (self.until - self.since) / 3


@dataclass(frozen=True, slots=True)
class OwnTls:
    """The files of the own authority and certificate in *folder*; all of mode 600."""

    folder: Path

    @classmethod
    def of(cls, data_dir: Path) -> OwnTls:
        return cls(data_dir / "tls")

    @property
    def authority(self) -> Path:
        """The authority's certificate: what clients are told to trust."""
        return self.folder / "authority.pem"

    @property
    def authority_key(self) -> Path:
        return self.folder / "authority.key"

    @property
    def server(self) -> Path:
        """Key, certificate and authority in one file, so that no crash leaves half of a pair."""
        return self.folder / "server.pem"

    @property
    def exists(self) -> bool:
        """Tell whether it was made. False as well where this user may not look."""
        try:
            return self.server.is_file()
        except OSError:
            return False

    def make(self, names: Sequence[str], now: datetime, *, force: bool = False) -> None:
        """Make an authority and a certificate for *names*. Raises `ConfigurationError`.

        What is there already is kept unless *force* is given.
        """
        if self.exists and not force:
            raise ConfigurationError(
                f"there is a certificate in {self.folder} already",
                hint="'drorch tls show' tells about it, 'drorch tls renew' renews it; --force "
                "makes a new authority as well, which people then have to import",
            )
        key = ec.generate_private_key(ec.SECP256R1())
        authority = _authority(key, names, now)
        self._write(self.authority_key, _private(key))
        self._write(self.authority, authority.public_bytes(Encoding.PEM))
        self._issue(authority, key, names, now)

    def renew(self, now: datetime) -> None:
        """Issue a new certificate for the same names. Raises `ConfigurationError`."""
        names = read(self.server).names
        authority, key = self._signing()
        since, until = authority.not_valid_before_utc, authority.not_valid_after_utc
        if not since <= now < until:
            raise ConfigurationError(
                f"the own authority is valid from {since.date()} until {until.date()}, "
                f"and here it is {now.date()}",
                hint=f"is this machine's clock right? If it is, {_AGAIN}",
            )
        self._issue(authority, key, names, now)

    def renew_if_due(self, now: datetime) -> bool:
        """Renew when less than a third of the validity is left; tell whether that was done.

        Does nothing where there is no own certificate. Raises `ConfigurationError`.
        """
        if not self.exists or not read(self.server).is_due(now):
            return False
        self.renew(now)
        return True

    def _issue(
        self,
        authority: x509.Certificate,
        authority_key: ec.EllipticCurvePrivateKey,
        names: Sequence[str],
        now: datetime,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(now + LASTS, authority.not_valid_after_utc)
        builder = _builder(authority.subject, key.public_key(), now - BACKDATED, until)
        certificate = (
            builder.subject_name(_subject("drorch"))
            .add_extension(x509.SubjectAlternativeName(_general(names)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_issued_by(authority_key.public_key()), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        parts = [_private(key), *(c.public_bytes(Encoding.PEM) for c in (certificate, authority))]
        self._write(self.server, b"".join(parts))

    def _signing(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        authority = certificate_in(self.authority)
        try:
            key = load_pem_private_key(_content(self.authority_key), None)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"{self.authority_key} holds no key", hint=_AGAIN) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not _fits(authority, key):
            raise ConfigurationError(
                f"{self.authority_key} is not the key of {self.authority}", hint=_AGAIN
            )
        return authority, key

    def _write(self, path: Path, content: bytes) -> None:
        """Put *content* there whole or not at all, for this user alone."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                self._give_to_owner(descriptor)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            new.replace(path)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write {path}: {error.strerror or error}",
                hint="run this as the user that runs the service, for example "
                "'sudo -u drorch drorch tls init'",
            ) from error

    def _give_to_owner(self, descriptor: int) -> None:
        """Let the service's user have what root makes in its folder."""
        if os.geteuid() == 0:
            owner = self.folder.parent.stat()
            os.chown(self.folder, owner.st_uid, owner.st_gid)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def read(file: Path) -> Shown:
    """Return what the first certificate in *file* says. Raises `ConfigurationError`."""
    return shown(certificate_in(file))


def shown(certificate: x509.Certificate) -> Shown:
    """Return what *certificate* says of itself."""
    plain = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Shown(plain, _names_of(certificate), since, until)


def certificate_in(file: Path) -> x509.Certificate:
    """Return the first certificate in the PEM *file*. Raises `ConfigurationError`."""
    try:
        return x509.load_pem_x509_certificates(_content(file))[0]
    except ValueError as error:
        raise ConfigurationError(
            f"{file} holds no certificate",
            hint="it has to be PEM: -----BEGIN CERTIFICATE-----, the service's own one first",
        ) from error


def is_open_to_others(file: Path) -> bool:
    """Tell whether other users of this machine may read *file*."""
    return bool(file.stat().st_mode & _PERSONS)


def now() -> datetime:
    """Return the wall clock's time, which certificates are about."""
    return datetime.now(UTC)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {file}: {error.strerror or error}",
            hint="check that it exists and that the user who runs drorch may read it",
        ) from error


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    dns = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    return (*dns, *(str(a) for a in found.get_values_for_type(x509.IPAddress)))


def _fits(authority: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    if authority.public_key() != key.public_key():
        return False
    try:
        authority.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _authority(
    key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime
) -> x509.Certificate:
    # Two authorities of one machine must not look alike to whoever has imported the older.
    subject = _subject(f"drorch authority of {names[0]} ({now.date()}, {secrets.token_hex(2)})")
    builder = _builder(subject, key.public_key(), now - BACKDATED, now + AUTHORITY_LASTS)
    return (
        builder.subject_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.NameConstraints(_permitted(names), None), critical=True)
        .add_extension(_issued_by(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    issuer: x509.Name, key: ec.EllipticCurvePublicKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _issued_by(key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _general(names: Sequence[str]) -> list[x509.GeneralName]:
    addresses = {name: _address(name) for name in names}
    return [
        x509.DNSName(name) if (found := addresses[name]) is None else x509.IPAddress(found)
        for name in names
    ]


def _permitted(names: Sequence[str]) -> list[x509.GeneralName]:
    """Return the names themselves; an address is the network that holds it alone."""
    addresses = {name: _address(name) for name in names}
    return [
        x509.DNSName(name)
        if (found := addresses[name]) is None
        else x509.IPAddress(ipaddress.ip_network(found))
        for name in names
    ]


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
