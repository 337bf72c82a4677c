"""How a person looks at what a check looks at, with the tools that every Linux has."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from api.locale import _, ngettext, spelt
from api.runbook.callouts import callout_by_hand
from connectors.secrets import SecretRef
from drorch.model.plan import CheckSpec, MachineRef

_NO_INPUT = "</dev/null"
_Given: TypeAlias = Mapping[str, Any]
_Way: TypeAlias = tuple[str, str]
"""What to type, and what has to come of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One check on paper: what to type, and what has to come of it."""

    name: str
    command: str
    expect: str
    secret: str = ""
    """The name of the password that it needs; the paper never has the password itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What only the configuration knows: types of connectors, what callouts are."""

    types: Mapping[str, str]
    callouts: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    """Where each is kept, by name."""

    def callout(self, name: str, arguments: Mapping[str, str]) -> str:
        """Return how a callout is made by hand."""
        return callout_by_hand(name, arguments, self.callouts, self.secrets)


def by_hand(check: CheckSpec, machine: MachineRef | None, around: Around) -> Look:
    """Return how *check* is done by hand; ``command`` is empty where nobody can say one."""
    command, expect = _ways(check, machine, around)
    if check.stable:
        steady = _("for {time} without a break", time=spelt(check.stable.total_seconds()))
        expect = f"{expect}; {steady}"
    secret = str(check.params.get("secret") or "")
    return Look(name=check.name, command=command, expect=expect, secret=secret)


def address_of(check: CheckSpec) -> str:
    """Return the host that a check asks; empty where it names none."""
    given = check.params
    if url := given.get("url"):
        return urlsplit(str(url)).hostname or ""
    return str(given.get("server") or given.get("host") or "")


def _ways(check: CheckSpec, machine: MachineRef | None, around: Around) -> _Way:
    given = check.params
    if check.kind == "agent":
        return _agent(machine, around)
    if check.kind == "callout":
        command = around.callout(given["name"], given.get("with") or {})
        return command, _("it ends without an error")
    return _KINDS[check.kind](given)


def _q(value: object) -> str:
    return shlex.quote(str(value))


def _netcat(given: _Given) -> str:
    return f"nc -vz -w 5 {_q(given['host'])} {given['port']}"


def _tcp(given: _Given) -> _Way:
    return _netcat(given), _("the port accepts the connection")


def _icmp(given: _Given) -> _Way:
    return f"ping -c 3 {_q(given['host'])}", _("it answers")


def _ssh(given: _Given) -> _Way:
    told = _("it greets with SSH-2.0")
    if given.get("contains"):
        told = _("its greeting has {text!r} in it", text=given["contains"])
    return f"nc -w 5 {_q(given['host'])} {given['port']} {_NO_INPUT}", told


def _redis(given: _Given) -> _Way:
    ask = " --askpass" if given.get("secret") else ""
    where = f"-h {_q(given['host'])} -p {given['port']}"
    return f"redis-cli {where}{ask} ping", _("it answers PONG")


def _ntp(given: _Given) -> _Way:
    told = _("its clock is at most {seconds} s off", seconds=f"{given['max_offset']:g}")
    return f"ntpdate -q {_q(given['host'])}", told


def _socket(given: _Given) -> str:
    host = str(given["host"])
    return _q(f"[{host}]:{given['port']}" if ":" in host else f"{host}:{given['port']}")


def _http(given: _Given) -> _Way:
    words = ["curl", "-sS", "-i"]
    if str(given["url"]).startswith("https:"):
        words.append("-k")  # at night the authority's file is not at hand
    if given.get("method", "GET") == "HEAD":
        words[2] = "-I"
    elif given.get("method", "GET") != "GET":
        words += ["-X", str(given["method"])]
    for name, value in (given.get("headers") or {}).items():
        words += ["-H", _q(f"{name}: {value}")]
    statuses = ", ".join(map(str, given.get("status") or (200,)))
    told = _("status {statuses}", statuses=statuses)
    if given.get("contains"):
        told += "; " + _("the text {text!r} is in it", text=given["contains"])
    return f"{' '.join(words)} {_q(given['url'])}", told


def _dns(given: _Given) -> _Way:
    port = f" -p {given['port']}" if given.get("port", 53) != 53 else ""
    command = f"dig @{_q(given['server'])}{port} {_q(given['name'])} {given['type']} +short"
    if not given.get("expect"):
        return command, _("any answer")
    return command, _("the answer is {answers}", answers=", ".join(given["expect"]))


def _tls(given: _Given) -> _Way:
    name = _q(given.get("server_name") or given["host"])
    command = f"openssl s_client -connect {_socket(given)} -servername {name} {_NO_INPUT}"
    days = int(given["min_days"])
    told = ngettext(
        "the certificate is valid {n} day more",
        "the certificate is valid {n} days more",
        days,
    )
    return f"{command} | openssl x509 -noout -enddate", told


def _ldap(given: _Given) -> _Way:
    scheme = "ldaps" if given.get("tls") else "ldap"
    base = _q(given["base"]) if given.get("base") else "''"
    command = f"ldapsearch -x -H {scheme}://{_socket(given)} -s base -b {base}"
    return command, _("result: 0 Success")


def _smtp(given: _Given) -> _Way:
    if given.get("starttls"):
        command = f"openssl s_client -starttls smtp -connect {_socket(given)} {_NO_INPUT}"
        return command, _("it shows a certificate")
    return f"nc -w 5 {_q(given['host'])} {given['port']} {_NO_INPUT}", _("it greets with 220")


def _postgres(given: _Given) -> _Way:
    where, user = f"-h {_q(given['host'])} -p {given['port']}", given.get("user")
    if not user:
        return f"pg_isready {where}", _("accepting connections")
    database, query = _q(given.get("database") or user), _query(given)
    return f"psql {where} -U {_q(user)} -d {database} -c {query}", _answer(given)


def _mysql(given: _Given) -> _Way:
    if not given.get("user"):
        return _tcp(given)
    where = f"-h {_q(given['host'])} -P {given['port']} -u {_q(given['user'])} -p"
    database = f" {_q(given['database'])}" if given.get("database") else ""
    return f"mysql {where} -e {_query(given)}{database}", _answer(given)


def _query(given: _Given) -> str:
    return _q(given.get("query") or "select 1")


def _answer(given: _Given) -> str:
    if not given.get("expect"):
        return _("it answers")
    return _("the answer is {answers}", answers=given["expect"])


def _smb(given: _Given) -> _Way:
    port = f"-p {given['port']}"
    who = f"-U {_q(given['user'])}" if given.get("user") else "-N"
    if not given.get("share"):
        return f"smbclient {port} {who} -L {_q(given['host'])}", _("it answers")
    share = _q(f"//{given['host']}/{given['share']}")
    return f"smbclient {port} {who} {share} -c ls", _("it lists the share")


def _agent(machine: MachineRef | None, around: Around) -> _Way:
    told = _("the guest agent answers; else log in at its console: has it come up?")
    if machine is None:
        return "", told
    name = _q(machine.id or machine.name)
    match around.types.get(machine.connector):
        case "proxmox":
            return f"qm agent {name} ping", told
        case "libvirt":
            ping = """'{"execute":"guest-ping"}'"""
            return f"virsh qemu-agent-command {name} {ping}", told
    return "", told


_KINDS: Mapping[str, Callable[[_Given], _Way]] = {
    "tcp": _tcp,
    "http": _http,
    "dns": _dns,
    "tls": _tls,
    "icmp": _icmp,
    "ldap": _ldap,
    "smtp": _smtp,
    "ssh": _ssh,
    "postgres": _postgres,
    "mysql": _mysql,
    "redis": _redis,
    "ntp": _ntp,
    "smb": _smb,
}
