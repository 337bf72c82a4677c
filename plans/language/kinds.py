"""Every kind of check: its long form, its short form, and how people see it named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from plans.language import checks
from plans.language.checks import NamedDocument, TimingDocument
from plans.shapes.addresses import Endpoint, Host, HostPort, Url, join
from plans.shapes.base import Shape
from plans.shapes.record import Record

Params: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """``expand`` turns what ``short`` reads into params of the long form."""

    name: str
    record: Record[Any]
    about: str
    label: Callable[[Params], str]
    short: Shape[Any] | None = None
    expand: Callable[[Any], Params] = dict
    finish: Callable[[Params], None] = lambda _params: None

    @property
    def takes_name(self) -> bool:
        """Tell whether ``name`` inside its long form is the check's name for people."""
        return issubclass(self.record.kind, NamedDocument)


def _endpoint(endpoint: Endpoint) -> Params:
    port = {} if endpoint.port is None else {"port": endpoint.port}
    return {"host": endpoint.host, **port}


def _place(params: Params) -> str:
    return join(params["host"], params["port"])


def _database(params: Params) -> str:
    name = params["database"]
    return f"{_place(params)}/{name}" if name else _place(params)


def _ldap_port(params: Params) -> None:
    if params["port"] is None:
        params["port"] = 636 if params["tls"] else 389


def _http_defaults(params: Params) -> None:
    params["status"] = params["status"] or [200]
    params["headers"] = params["headers"] or {}


def _offset_seconds(params: Params) -> None:
    params["max_offset"] = params["max_offset"].total_seconds()


def _arguments(params: Params) -> None:
    params["with"] = params["with"] or {}


def _kind(name: str, document: type[TimingDocument], about: str, **rest: Any) -> Kind:
    record: Record[Any] = Record(
        document, f"the check {name}", about=about, reserved=False, part=f"check-{name}"
    )
    return Kind(name, record, about, **({"label": _place} | rest))


def _on_port(name: str, document: type[TimingDocument], about: str, **rest: Any) -> Kind:
    short = HostPort(required=name == "tcp")
    return _kind(name, document, about, **({"short": short, "expand": _endpoint} | rest))


def _one(name: str) -> Callable[[Any], Params]:
    return lambda value: {name: value}


KINDS = {
    kind.name: kind
    for kind in (
        _on_port("tcp", checks.Tcp, "A TCP connection is accepted."),
        _kind(
            "http",
            checks.Http,
            "A web address answers with the right status.",
            label=lambda params: str(params["url"]),
            short=Url(),
            expand=_one("url"),
            finish=_http_defaults,
        ),
        _kind(
            "dns",
            checks.Dns,
            "A name server answers for a name.",
            label=lambda params: f"{params['name']} {params['type']} at {params['server']}",
        ),
        _on_port("tls", checks.Tls, "A TLS certificate is trusted and lasts."),
        _kind(
            "icmp",
            checks.Icmp,
            "A host answers an echo request; says nothing about its applications.",
            label=lambda params: str(params["host"]),
            short=Host(),
            expand=_one("host"),
        ),
        _on_port("ldap", checks.Ldap, "A directory answers.", finish=_ldap_port),
        _on_port("smtp", checks.Smtp, "A mail server greets."),
        _on_port("ssh", checks.Ssh, "An SSH server sends its banner."),
        _on_port("postgres", checks.Postgres, "PostgreSQL accepts work.", label=_database),
        _on_port("mysql", checks.Mysql, "MySQL or MariaDB accepts work.", label=_database),
        _on_port("redis", checks.Redis, "Redis answers PING."),
        _on_port("ntp", checks.Ntp, "A time server tells the time.", finish=_offset_seconds),
        _on_port("smb", checks.Smb, "A file server negotiates; with a user it opens the share."),
        _kind(
            "agent",
            checks.Agent,
            "The machine's guest agent answers.",
            label=lambda _params: "",
        ),
        _kind(
            "callout",
            checks.CalloutCheck,
            "A callout of the configuration says yes.",
            label=lambda params: str(params["name"]),
            finish=_arguments,
        ),
    )
}
