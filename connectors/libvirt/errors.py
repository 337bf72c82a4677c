"""What libvirt's errors mean to the caller; the one place that reads their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

from drorch.errors import (
    AuthenticationError,
    BusyError,
    CertificateError,
    ConnectorError,
    MachineNotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProtocolError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
)

_LONGEST_DETAIL = 300


class LibvirtFault(Protocol):
    """What we use of ``libvirt.libvirtError``."""

    def get_error_code(self) -> int | None: ...

    def get_error_domain(self) -> int | None: ...

    def get_error_message(self) -> str | None: ...


class Code(IntEnum):
    """Libvirt's error numbers that we tell apart; they never change."""

    INTERNAL = 1
    NO_MEMORY = 2
    NO_SUPPORT = 3
    UNKNOWN_HOST = 4
    NO_CONNECT = 5
    INVALID_CONN = 6
    OPERATION_DENIED = 29
    SYSTEM = 38
    RPC = 39
    GNUTLS = 40
    NO_DOMAIN = 42
    AUTH_FAILED = 45
    OPERATION_INVALID = 55
    CONFIG_UNSUPPORTED = 67
    OPERATION_TIMEOUT = 68
    ARGUMENT_UNSUPPORTED = 74
    AUTH_CANCELLED = 79
    OPERATION_UNSUPPORTED = 84
    SSH = 85
    AGENT_UNRESPONSIVE = 86
    RESOURCE_BUSY = 87
    ACCESS_DENIED = 88
    AUTH_UNAVAILABLE = 94
    AGENT_UNSYNCED = 97
    LIBSSH = 98


class Phase(StrEnum):
    """When it happened: only an order that was sent can have an unknown outcome."""

    CONNECT = "connect"
    READ = "read"
    ORDER = "order"


_TRANSPORT_DOMAINS = {7, 13, 50, 66}  # RPC, remote driver, ssh, libssh
_AUTHENTICATION = {Code.AUTH_FAILED, Code.AUTH_CANCELLED, Code.AUTH_UNAVAILABLE}
_DENIED = {Code.ACCESS_DENIED, Code.OPERATION_DENIED}
_UNSUPPORTED = {Code.NO_SUPPORT, Code.OPERATION_UNSUPPORTED, Code.ARGUMENT_UNSUPPORTED}
_BUSY = {Code.OPERATION_TIMEOUT, Code.RESOURCE_BUSY, Code.NO_MEMORY}

_RIGHTS_HINT = (
    "give the account that runs drorch access: the group 'libvirt', or a polkit rule for "
    "org.libvirt.unix.manage (docs/libvirt.md has one)"
)
_CERTIFICATE = re.compile(r"certificate|x509|TLS handshake|gnutls", re.IGNORECASE)
_TERMINAL_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z ")


@dataclass(frozen=True, slots=True)
class _Words:
    """An error of an order that only its words tell: what it is and what a person does."""

    pattern: re.Pattern[str]
    kind: type[BusyError | RefusedError]
    hint: str


def _words(pattern: str, kind: type[BusyError | RefusedError], hint: str) -> _Words:
    return _Words(re.compile(pattern, re.IGNORECASE), kind, hint)


_ORDER_WORDS: Sequence[_Words] = (
    _words(
        r"Could not set up host forwarding|Address already in use|Failed to bind",
        BusyError,
        "another process on the host holds the port that this machine's definition names; end it",
    ),
    _words(
        r"Cannot allocate memory|cannot set up guest memory",
        BusyError,
        "the host has too little free memory for this machine; free some or make it smaller",
    ),
    _words(
        r"Failed to get .*lock|Is another process using the image|Failed to acquire lock",
        BusyError,
        "something else has the disk image open (a backup, another host); end that first",
    ),
    _words(
        r"state change lock|is being used|another job|already has a job|domain is already active",
        BusyError,
        "another operation holds this machine; see: virsh domjobinfo NAME",
    ),
    _words(
        r"kvm|virt type",
        RefusedError,
        "hardware virtualization is not usable: switch it on in the firmware, load the kvm modules",
    ),
    _words(
        r"network .*not active|no network with matching name|Network not found",
        RefusedError,
        "start the network on the host: virsh net-start NETWORK; virsh net-autostart NETWORK",
    ),
    _words(
        r"storage pool .*not active|pool not found",
        RefusedError,
        "start the storage pool on the host: virsh pool-start POOL; virsh pool-autostart POOL",
    ),
    _words(
        r"No such file or directory|could not open|Cannot access storage",
        RefusedError,
        "a file of this machine is missing on the host: is its storage mounted?",
    ),
    _words(
        r"Permission denied",
        RefusedError,
        "the account that runs QEMU may not open one of this machine's files",
    ),
)


def is_connection_loss(error: LibvirtFault) -> bool:
    """Tell whether the connection broke, rather than the hypervisor having answered."""
    if error.get_error_code() == Code.INVALID_CONN:
        return True
    return error.get_error_domain() in _TRANSPORT_DOMAINS and error.get_error_code() in {
        Code.INTERNAL,
        Code.SYSTEM,
        Code.RPC,
    }


def code_of(error: LibvirtFault) -> int:
    return error.get_error_code() or 0


def detail_of(error: LibvirtFault) -> str:
    """Return the error's last line, where QEMU says why, without its time stamp."""
    text = (error.get_error_message() or "no reason given").strip()
    line = text.rsplit("\n", 1)[-1].strip()
    for prefix in ("internal error: ", "qemu unexpectedly closed the monitor: "):
        line = line.removeprefix(prefix)
    line = _TERMINAL_STAMP.sub("", line)
    return line if len(line) <= _LONGEST_DETAIL else line[: _LONGEST_DETAIL - 1] + "…"


def translate(
    error: LibvirtFault, phase: Phase, *, where: str, machine: str = ""
) -> ConnectorError:
    """Return the error of ours that tells the caller what it can do.

    *where* is the URI as it may be shown; *machine* is named in errors about one machine.
    """
    code = code_of(error)
    detail = detail_of(error)
    if phase is Phase.CONNECT:
        return _translate_connect(code, detail, where)
    if is_connection_loss(error):
        return _translate_loss(detail, phase, where, machine)
    subject = f"{machine}: {detail}" if machine else f"{where}: {detail}"
    if code == Code.NO_DOMAIN:
        return not_found(machine)
    if code in _DENIED:
        return PermissionDeniedError(subject, hint=_RIGHTS_HINT)
    if code in _AUTHENTICATION:
        return AuthenticationError(subject, hint=_RIGHTS_HINT)
    if code in _UNSUPPORTED:
        return UnsupportedError(subject, hint="this libvirt driver cannot do that")
    return _translate_refusal(code, subject, detail)


def _translate_connect(code: int, detail: str, where: str) -> ConnectorError:
    message = f"{where}: {detail}"
    if code == Code.GNUTLS or _CERTIFICATE.search(detail):
        return CertificateError(
            message,
            hint="check the CA, the client certificate and the name in the server's certificate "
            "(docs/libvirt.md, section TLS)",
        )
    if code in _AUTHENTICATION or code in _DENIED:
        return AuthenticationError(message, hint=_RIGHTS_HINT)
    if "Permission denied" in detail or "Host key verification failed" in detail:
        return AuthenticationError(message, hint=_connect_rights_hint(where))
    if code == Code.RPC:
        return ProtocolError(message, hint="what answers there is no libvirt; check 'uri'")
    if code == Code.NO_CONNECT or "URI path" in detail:
        return ProtocolError(
            message, hint="the URI names a driver that this libvirt does not have; check 'uri'"
        )
    return UnreachableError(message, hint=_unreachable_hint(where))


def _connect_rights_hint(where: str) -> str:
    if "+ssh" in where:
        return (
            "let the account that runs drorch log in by key: ssh -o BatchMode=yes HOST virsh list"
        )
    return _RIGHTS_HINT


def _unreachable_hint(where: str) -> str:
    if where.partition("://")[2].startswith("/"):
        return "is libvirtd running on this machine? systemctl status libvirtd virtqemud"
    return "is the host up, and does libvirtd accept this transport there?"


def _translate_loss(detail: str, phase: Phase, where: str, machine: str) -> ConnectorError:
    if phase is Phase.ORDER:
        return outcome_unknown(machine, f"{where}: {detail}")
    return UnreachableError(f"{where}: {detail}", hint=_unreachable_hint(where))


def outcome_unknown(machine: str, reason: str) -> OutcomeUnknownError:
    """Return the error of an order that was sent and whose answer never came."""
    return OutcomeUnknownError(
        f"{machine}: the order was sent, the answer never came: {reason}",
        hint="drorch looks at the machine before it does anything else",
    )


def not_found(machine: str) -> MachineNotFoundError:
    """Return the error of a machine that libvirt does not know."""
    return MachineNotFoundError(
        f"no machine {machine!r} on this host",
        hint="list what exists: virsh list --all; it may have been renamed or removed",
    )


def _translate_refusal(code: int, subject: str, detail: str) -> ConnectorError:
    for words in _ORDER_WORDS:
        if words.pattern.search(detail):
            return words.kind(subject, hint=words.hint)
    if code in _BUSY:
        return BusyError(subject, hint="try again in a moment")
    return RefusedError(
        subject, hint="see the machine's log on the host: /var/log/libvirt/qemu/NAME.log"
    )
