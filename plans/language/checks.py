"""The checks: each kind's long form as a document class, and its short form."""

# `key` declares a field, as dataclasses.field does
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from plans.shapes.addresses import Host, Url
from plans.shapes.collections import FreeMap, ListOf
from plans.shapes.keys import key
from plans.shapes.quantities import Duration, Flag, Integer, Port
from plans.shapes.record import Document
from plans.shapes.words import Identifier, Name, OneOf, Text

DNS_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
METHODS = ("GET", "HEAD", "POST", "OPTIONS")
HTTP_STATUS = Integer("an HTTP status", least=100, most=599)


@dataclass(slots=True, kw_only=True)
class TimingDocument(Document):
    """What every check takes."""

    timeout: timedelta | None = key(Duration(), "How long one attempt may take.", default_text="5s")
    interval: timedelta | None = key(
        Duration(), "Longest pause between two attempts.", default_text="2s"
    )
    stable: timedelta | None = key(
        Duration(zero=True),
        "How long it must keep holding.",
        default_text="two successes in a row",
    )


@dataclass(slots=True, kw_only=True)
class NamedDocument(TimingDocument):
    name: str | None = key(Text("a name", most=120), "What people call this check.")


def _host() -> str | None:
    found: str | None = key(Host(), "The host to ask.", required=True)
    return found


@dataclass(slots=True, kw_only=True)
class Tcp(NamedDocument):
    host: str | None = _host()
    port: int | None = key(Port(), "The port that must accept a connection.", required=True)


@dataclass(slots=True, kw_only=True)
class Http(NamedDocument):
    url: str | None = key(Url(), "The address to fetch.", required=True)
    method: str = key(OneOf(METHODS), "The HTTP method.", default="GET")
    status: list[int] | None = key(
        ListOf(HTTP_STATUS, "HTTP statuses", single=True),
        "The status, or the statuses, that mean well.",
        default_text="200",
    )
    contains: str | None = key(Text(numbers=True), "Text that the body must contain.")
    headers: dict[str, str] | None = key(
        FreeMap("headers"), "Headers to send; no secrets.", default_text="none"
    )
    ca: Name | None = key(
        Identifier("the name of a CA"), "The certificate authority to trust, by name."
    )
    verify: bool = key(Flag(), "Whether the certificate must be valid.", default=True)


@dataclass(slots=True, kw_only=True)
class Dns(TimingDocument):
    server: str | None = key(Host(), "The name server under test.", required=True)
    port: int = key(Port(), "Its port.", default=53)
    name: str | None = key(Text("a domain name", most=255), "The name to look up.", required=True)
    type: str = key(OneOf(DNS_TYPES), "The record type.", default="A")
    expect: list[str] | None = key(
        ListOf(Text(numbers=True), "the expected answers", single=True),
        "The answer, or the answers, that must come back.",
        default_text="any answer",
    )


@dataclass(slots=True, kw_only=True)
class Tls(NamedDocument):
    host: str | None = _host()
    port: int = key(Port(), "Its port.", default=443)
    server_name: str | None = key(Host(), "The name in the certificate.", default_text="the host")
    min_days: int = key(
        Integer("a number of days", least=0, most=3650),
        "Days that the certificate must still be valid.",
        default=7,
    )
    ca: Name | None = key(
        Identifier("the name of a CA"), "The certificate authority to trust, by name."
    )


@dataclass(slots=True, kw_only=True)
class Icmp(NamedDocument):
    host: str | None = _host()


@dataclass(slots=True, kw_only=True)
class Ldap(NamedDocument):
    host: str | None = _host()
    port: int | None = key(Port(), "Its port.", default_text="389, with tls 636")
    base: str | None = key(Text("a distinguished name"), "An entry that must be readable.")
    tls: bool = key(Flag(), "Whether to speak TLS from the start.", default=False)


@dataclass(slots=True, kw_only=True)
class Smtp(NamedDocument):
    host: str | None = _host()
    port: int = key(Port(), "Its port.", default=25)
    starttls: bool = key(Flag(), "Whether STARTTLS must work.", default=False)


@dataclass(slots=True, kw_only=True)
class Ssh(NamedDocument):
    host: str | None = _host()
    port: int = key(Port(), "Its port.", default=22)
    contains: str | None = key(Text(numbers=True), "Text that the banner must contain.")


@dataclass(slots=True, kw_only=True)
class _Database(NamedDocument):
    database: str | None = key(Text("the name of a database"), "The database to open.")
    user: str | None = key(Text("a user"), "The user to log in as; without one, no login.")
    secret: Name | None = key(
        Identifier("the name of a secret"), "The name of the password in the configuration."
    )
    query: str | None = key(Text("a query"), "A reading query whose first value is compared.")
    expect: str | None = key(Text(numbers=True), "What the query must answer.")


@dataclass(slots=True, kw_only=True)
class Postgres(_Database):
    host: str | None = _host()
    port: int = key(Port(), "Its port.", default=5432)


@dataclass(slots=True, kw_only=True)
class Mysql(_Database):
    host: str | None = _host()
    port: int = key(Port(), "Its port.", default=3306)


@dataclass(slots=True, kw_only=True)
class Redis(NamedDocument):
    host: str | None = _host()
    port: int = key(Port(), "Its port.", default=6379)
    secret: Name | None = key(
        Identifier("the name of a secret"), "The name of the password in the configuration."
    )


@dataclass(slots=True, kw_only=True)
class Ntp(NamedDocument):
    host: str | None = _host()
    port: int = key(Port(), "Its port.", default=123)
    max_offset: timedelta = key(
        Duration(), "How far its clock may be from ours.", default=timedelta(seconds=5)
    )


@dataclass(slots=True, kw_only=True)
class Smb(NamedDocument):
    host: str | None = _host()
    port: int = key(Port(), "Its port.", default=445)
    share: str | None = key(Text("the name of a share"), "The share to open.")
    user: str | None = key(Text("a user"), "The user to log in as; without one, no login.")
    secret: Name | None = key(
        Identifier("the name of a secret"), "The name of the password in the configuration."
    )


@dataclass(slots=True, kw_only=True)
class Agent(NamedDocument):
    pass


@dataclass(slots=True, kw_only=True)
class CalloutCheck(TimingDocument):
    name: Name | None = key(
        Identifier("the name of a callout"), "The callout in the configuration.", required=True
    )
    with_: dict[str, str] | None = key(
        FreeMap("arguments"), "Arguments for its placeholders.", default_text="none"
    )
