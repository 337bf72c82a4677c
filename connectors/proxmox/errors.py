"""Proxmox VE's errors in our words: the status decides first, its texts second, never for 401."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import requests
from proxmoxer import ResourceException

from connectors.proxmox.wire import Trace
from drorch.errors import (
    AuthenticationError,
    BusyError,
    CertificateError,
    ConnectorError,
    HostUnavailableError,
    MachineNotFoundError,
    NoQuorumError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ProtocolError,
    RefusedError,
    UnreachableError,
    UnsupportedError,
)

LONGEST = 300
_KVM = re.compile(r"/usr/bin/kvm (?:(?!' failed).)*")


class FlickerError(UnreachableError):
    """An answer was lost on the way; a read may simply be repeated."""


class SickEndpointError(UnreachableError):
    """The node that was asked cannot serve anybody just now; another one may."""


class AlreadyError(RefusedError):
    """The machine already is where the order would have brought it."""


class TaskGoneError(RefusedError):
    """The node no longer knows the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One failed exchange: what was asked of whom, and what is known about how far it got.

    ``order`` is true for what changes something, so that a lost answer leaves it in doubt.
    ``node`` is the node that the path names, ``contact`` the one that was asked, if known.
    """

    error: Exception
    trace: Trace
    order: bool
    endpoint: str
    token_id: str
    node: str | None = None
    machine: str | None = None
    contact: str | None = None


def translate(problem: Problem) -> ConnectorError:
    """Return our error for *problem*; the only place where Proxmox's words are matched."""
    error = problem.error
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, ResourceException):
        return _from_status(problem, error)
    if isinstance(error, requests.TooManyRedirects):
        return rubbish(problem.endpoint, "it redirects, which Proxmox VE never does")
    if not problem.trace.sent:
        return _before_sending(problem)
    if isinstance(error, (requests.RequestException, OSError)):
        return _lost(problem, _cause(error))
    return rubbish(problem.endpoint, f"its answer has no 'data' ({type(error).__name__})")


def rubbish(endpoint: str, what: str) -> ProtocolError:
    return ProtocolError(
        f"what answers at {endpoint} is not Proxmox VE: {what}",
        hint="check 'endpoints': the API itself listens on port 8006; a proxy in between will "
        "not do",
    )


def plain(text: str) -> str:
    """Return *text* on one line, without QEMU's command line, without control characters."""
    short = _KVM.sub("/usr/bin/kvm ...", " ".join(text.split()))
    clean = "".join(c if c.isprintable() else "?" for c in short)
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 3] + "..."


def _before_sending(problem: Problem) -> ConnectorError:
    trace, endpoint = problem.trace, problem.endpoint
    if trace.certificate:
        return CertificateError(
            f"{endpoint} shows a certificate that is not trusted: {trace.certificate}; "
            "the token was not sent",
            hint="compare with 'pvenode cert info' on the node itself; after a renewal put the "
            "new fingerprint into drorch.toml, otherwise find out who answers there",
        )
    if trace.not_tls:
        return rubbish(endpoint, "it does not speak TLS")
    return UnreachableError(
        f"{endpoint} cannot be reached: {_cause(problem.error)}",
        hint="is the node powered on, its network up, port 8006 open from here?",
    )


def _lost(problem: Problem, cause: str) -> ConnectorError:
    if problem.order:
        return OutcomeUnknownError(
            f"the order {_whom(problem)}was sent to {problem.endpoint} and no answer came: {cause}",
            hint="it may have been carried out; drorch looks for its task before anything else",
        )
    return FlickerError(
        f"{problem.endpoint} did not answer: {cause}",
        host=problem.node,
        hint="if this lasts: systemctl status pveproxy pvedaemon on that node",
    )


def _whom(problem: Problem) -> str:
    return f"for machine {problem.machine} " if problem.machine else ""


def _cause(error: BaseException) -> str:
    """Return the innermost reason, which requests wraps three times."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    inner: BaseException = error
    while (found := _inside(inner)) is not None:
        inner = found
    text = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return plain(text or type(inner).__name__)


def _inside(error: BaseException) -> BaseException | None:
    reason = getattr(error, "reason", None)
    candidates = (error.__cause__, error.__context__, reason, *reversed(error.args))
    return next((c for c in candidates if isinstance(c, BaseException) and c is not error), None)


def _from_status(problem: Problem, error: ResourceException) -> ConnectorError:
    status = int(error.status_code)
    text = plain(problem.trace.message or str(error.content or ""))
    if status == 401:
        return _unauthenticated(problem)
    if status == 595:
        return _not_connected(problem, text)
    if 596 <= status <= 599 or status in {502, 503, 504}:
        return _lost(problem, text or f"status {status}")
    if status == 403:
        return _forbidden(problem, text)
    if status == 501:
        return UnsupportedError(f"this Proxmox VE cannot do that: {text}")
    if status == 400:
        return _invalid(error, text)
    if status == 500:
        return _died(problem, error, text)
    return rubbish(problem.endpoint, f"status {status} {text}")


def _unauthenticated(problem: Problem) -> AuthenticationError:
    return AuthenticationError(
        f"{problem.endpoint} does not accept the API token {problem.token_id}",
        hint="is the secret the one shown when the token was made, the token not expired and its "
        f"user enabled? pveum user token list {problem.token_id.partition('!')[0]}; "
        "a new secret: remove the token and add it again",
    )


def _not_connected(problem: Problem, text: str) -> ConnectorError:
    if problem.node is None or problem.node == problem.contact:
        return UnreachableError(
            f"{problem.endpoint} answers, but its pvedaemon does not: {text}",
            host=problem.contact,
            hint="on that node: systemctl restart pvedaemon pveproxy",
        )
    return HostUnavailableError(
        f"node {problem.node} cannot be reached from {problem.endpoint}: {text}",
        host=problem.node,
        hint=f"power on node {problem.node} or repair its network; drorch goes on by itself then",
    )


def _forbidden(problem: Problem, text: str) -> PermissionDeniedError:
    found = re.search(r"\((?P<path>/[^,]*), (?P<right>[^)]+)\)", text)
    right = found["right"].split("|")[0] if found else "the right it names"
    path = found["path"] if found else "/vms"
    return PermissionDeniedError(
        f"the API token {problem.token_id} may not do that: {text}",
        hint=f"give it {right} on {path}, both to the user and to the token: docs/proxmox.md "
        "has the commands (pveum acl modify)",
    )


def _invalid(error: ResourceException, text: str) -> RefusedError:
    details = error.errors if isinstance(error.errors, dict) else {}
    if details.get("upid") == "no such task":
        return TaskGoneError("the node no longer knows this task")
    told = "; ".join(f"{key}: {plain(str(value))}" for key, value in details.items())
    return RefusedError(f"Proxmox VE refuses the call: {told or text}")


def _died(problem: Problem, error: ResourceException, text: str) -> ConnectorError:
    body = error.errors.get("errors") if isinstance(error.errors, dict) else None
    if isinstance(body, bytes) and body.strip():
        # Proxmox dies with JSON or with nothing: this 500 comes from something in front of it.
        return (
            _lost(problem, f"status 500 {text}")
            if problem.order
            else rubbish(problem.endpoint, "its error is a web page")
        )
    for pattern, answer in _TEXTS:
        if found := pattern.search(text):
            return answer(problem, text, found)
    return RefusedError(f"Proxmox VE refuses: {text or 'no reason given'}")


def _no_quorum(_problem: Problem, text: str, _: re.Match[str]) -> ConnectorError:
    return NoQuorumError(
        f"the cluster has no quorum and accepts no starts: {text}",
        hint="bring back more nodes (pvecm status shows the votes); drorch goes on by itself then",
    )


def _no_upid(problem: Problem, text: str, _: re.Match[str]) -> ConnectorError:
    # Genuine pvedaemon does this under bursts (8.4.1: 2 of 140 starts); the worker is killed.
    return _lost(problem, text)


def _no_config(problem: Problem, text: str, _: re.Match[str]) -> ConnectorError:
    return MachineNotFoundError(
        f"machine {problem.machine or ''} is not on node {problem.node}: {text}",
        hint="is it on another node, or deleted? qm list, pct list on each node",
    )


def _locked(problem: Problem, text: str, found: re.Match[str]) -> ConnectorError:
    return BusyError(text, hint=unlock_hint(problem.machine, problem.node, found["lock"]))


def _flock(_problem: Problem, text: str, _: re.Match[str]) -> ConnectorError:
    return BusyError(text, hint="another task works on this machine; wait until it ends")


def _already(_problem: Problem, text: str, _: re.Match[str]) -> ConnectorError:
    return AlreadyError(text)


def _template(problem: Problem, text: str, _: re.Match[str]) -> ConnectorError:
    return RefusedError(text, hint=template_hint(problem.machine))


def _no_such_node(problem: Problem, text: str, _: re.Match[str]) -> ConnectorError:
    return HostUnavailableError(
        f"the cluster does not know where node {problem.node} is: {text}",
        host=problem.node,
        hint="was the node removed? pvecm nodes; otherwise repair /etc/hosts on the nodes",
    )


def _no_pmxcfs(problem: Problem, text: str, _: re.Match[str]) -> ConnectorError:
    return SickEndpointError(
        f"the cluster file system of {problem.endpoint} is down: {text}",
        host=problem.contact,
        hint="on that node: systemctl status pve-cluster corosync",
    )


def unlock_hint(machine: str | None, node: str | None, lock: str) -> str:
    """Return what a person does about a machine that is locked by *lock*."""
    tool = f"qm unlock {machine} on node {node}" if machine else "qm unlock ID"
    doing = "the backup" if lock == "backup" else f"what holds it ({lock})"
    return f"wait for {doing} to end; if none runs: {tool} (pct unlock for a container), then retry"


def template_hint(machine: str | None) -> str:
    """Return what a person does about a template in a plan."""
    return f"a template never runs: qm clone {machine} NEWID, and name the clone in the plan"


Answer: TypeAlias = Callable[[Problem, str, re.Match[str]], ConnectorError]

_TEXTS: tuple[tuple[re.Pattern[str], Answer], ...] = (
    (re.compile(r"no quorum"), _no_quorum),
    (re.compile(r"got no worker upid"), _no_upid),
    (re.compile(r"Configuration file '.*' does not exist"), _no_config),
    (re.compile(r"(?:VM|CT) is locked \((?P<lock>[^)]*)\)"), _locked),
    (re.compile(r"can't lock file .* got timeout"), _flock),
    (re.compile(r"(?:VM|CT) \d+ (?:already|not) running"), _already),
    (re.compile(r"if it's a template"), _template),
    (re.compile(r"hostname lookup '.*' failed|no such cluster node"), _no_such_node),
    (re.compile(r"Unable to load access control list"), _no_pmxcfs),
)
