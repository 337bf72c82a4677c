"""What the API token may do, and the commands that give it what it lacks; pure rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from drorch.errors import ProtocolError
from drorch.ports.connector import Finding, Severity

NEEDED = ("VM.Audit", "VM.PowerMgmt")
ROLE = "DrorchRecovery"
SIGHT_ROLE = "DrorchSight"


def agent_right(version: str) -> str:
    """Return the right that an agent ping needs: PVE 9 split VM.Monitor up."""
    major = version.partition(".")[0]
    return "VM.Monitor" if major.isdigit() and int(major) < 9 else "VM.GuestAgent.Audit"


@dataclass(frozen=True, slots=True)
class Rights:
    """Effective rights by path, as ``/access/permissions`` tells; the value 1 is inherited."""

    by_path: Mapping[str, Mapping[str, bool]]

    def has(self, path: str, right: str) -> bool:
        """Tell whether *right* holds on *path*: the nearest entry decides, as Proxmox does."""
        if path in self.by_path:
            return right in self.by_path[path]
        parent = path
        while parent != "/":
            parent = parent.rpartition("/")[0] or "/"
            if parent in self.by_path:
                return self.by_path[parent].get(right, False)
        return False

    def has_for(self, machine: str, right: str) -> bool:
        return self.has(f"/vms/{machine}", right)


def read_rights(data: Any) -> Rights:
    """Return the answer of ``/access/permissions``; an empty one is a token without any right."""
    if data == []:  # Perl cannot tell an empty list from an empty object
        data = {}
    if not isinstance(data, Mapping):
        raise ProtocolError("Proxmox VE answered no object where permissions were due")
    return Rights(
        {
            str(path): {str(right): bool(passed_on) for right, passed_on in held.items()}
            for path, held in data.items()
            if isinstance(held, Mapping)
        }
    )


def grant(token_id: str, rights: Collection[str], path: str, role: str) -> str:
    """Return the commands that give *rights* on *path* to the token and to its user.

    A token with privilege separation has what both have, so one of the two is not enough.
    """
    user = token_id.partition("!")[0]
    return (
        f'pveum role add {role} --privs "{" ".join(rights)}" '
        f"(pveum role modify, if it exists); "
        f"pveum acl modify {path} --users {user} --roles {role}; "
        f"pveum acl modify {path} --tokens '{token_id}' --roles {role}"
    )


def no_rights(token_id: str, version: str) -> Finding:
    """Return the one finding that stands for every machine, when the token may do nothing."""
    rights = (*NEEDED, agent_right(version))
    return Finding(
        severity=Severity.ERROR,
        code="token-sees-nothing",
        message=f"the API token {token_id} sees no machines: it lacks VM.Audit",
        hint=grant(token_id, rights, "/vms", ROLE),
    )


def missing_rights(
    rights: Rights, machines: Collection[str], *, token_id: str, version: str
) -> list[Finding]:
    """Return what the token lacks to start *machines* and to look at the cluster."""
    findings = [
        _missing(machine, lacking, rights, token_id)
        for machine in machines
        if (lacking := [r for r in NEEDED if not rights.has_for(machine, r)])
    ]
    without_agent = [m for m in machines if not rights.has_for(m, agent_right(version))]
    if without_agent:
        findings.append(_no_agent(without_agent, token_id, agent_right(version)))
    if not rights.has("/", "Sys.Audit"):
        findings.append(_no_sight(token_id))
    return findings


def _missing(machine: str, lacking: list[str], rights: Rights, token_id: str) -> Finding:
    path = f"/vms/{machine}" if rights.has("/vms", "VM.PowerMgmt") else "/vms"
    return Finding(
        severity=Severity.ERROR,
        code="right-missing",
        machine=machine,
        message=f"the API token {token_id} lacks {' and '.join(lacking)} on machine {machine}",
        hint=grant(token_id, NEEDED, path, ROLE),
    )


def _no_agent(machines: list[str], token_id: str, right: str) -> Finding:
    return Finding(
        severity=Severity.INFO,
        code="agent-right-missing",
        message=f"the API token {token_id} may not ping the guest agent of {len(machines)} "
        f"machines ({', '.join(machines[:5])}{', ...' if len(machines) > 5 else ''}): "
        f"it lacks {right}; 'agent' checks will fail",
        hint=grant(token_id, (*NEEDED, right), "/vms", ROLE),
    )


def _no_sight(token_id: str) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        code="cluster-hidden",
        message=f"the API token {token_id} lacks Sys.Audit on /: quorum cannot be seen before a "
        "start is refused for it",
        hint=grant(token_id, ("Sys.Audit",), "/", SIGHT_ROLE),
    )
