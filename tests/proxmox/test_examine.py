"""Dry runs: what would keep machines from starting, found without one write."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from connectors.proxmox.rights import Rights, agent_right
from drorch.ports.connector import Finding, Severity
from tests.proxmox.cluster import RIGHTS, SECRET, TOKEN, FakeCluster, ct, vm
from tests.proxmox.conftest import Connect


def by_code(findings: Sequence[Finding], code: str) -> list[Finding]:
    return [finding for finding in findings if finding.code == code]


def only(findings: Sequence[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def token(user: dict[str, list[str]], own: dict[str, list[str]]) -> list[dict[str, object]]:
    return [{"id": TOKEN, "secret": SECRET, "user_rights": user, "token_rights": own}]


async def test_a_fleet_that_can_start_has_no_findings(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101), ct(102, node="pve2"), vm(103, running=True))
    connector = await connect("pve1", "pve2")
    assert await connector.examine(["101", "102", "103"]) == []


async def test_examining_writes_nothing(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, lock="backup"), vm(102, template=True), vm(103, hastate="error"))
    connector = await connect("pve1", "pve2")
    await connector.examine(["101", "102", "103", "999"])
    assert {entry["method"] for entry in fake.log()} == {"GET"}


async def test_what_is_wrong_with_each_machine(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(
        vm(101, lock="backup"),
        vm(102, template=True),
        vm(103, hastate="error"),
        vm(104, node="pve3"),
        vm(105, running=True, qmp="io-error"),
        vm(106),
        nodes=3,
    )
    fake.do("node", name="pve3", online=False)
    connector = await connect()
    machines = ["101", "102", "103", "104", "105", "106", "999"]
    findings = await connector.examine(machines)
    told = {f.machine: f.code for f in findings if f.severity is Severity.ERROR}
    assert told == {
        "101": "locked",
        "102": "template",
        "103": "machine-problem",
        "104": "host-offline",
        "105": "machine-problem",
        "999": "machine-missing",
    }
    assert all(f.hint for f in findings)
    assert "qm unlock 101 on node pve1" in only(by_code(findings, "locked")).hint


async def test_a_token_without_any_right_is_one_finding_with_the_commands(
    fake: FakeCluster, connect: Connect
) -> None:
    fake.reset(vm(101), vm(102), tokens=token(RIGHTS, {}))
    connector = await connect()
    finding = only(await connector.examine(["101", "102"]))
    assert finding.severity is Severity.ERROR
    assert finding.code == "token-sees-nothing"
    assert "sees no machines: it lacks VM.Audit" in finding.message
    assert (
        'pveum role add DrorchRecovery --privs "VM.Audit VM.PowerMgmt VM.Monitor"' in finding.hint
    )
    assert "pveum acl modify /vms --users drorch@pve --roles DrorchRecovery" in finding.hint
    assert "pveum acl modify /vms --tokens 'drorch@pve!recovery' --roles" in finding.hint


async def test_a_right_that_one_machine_lacks(fake: FakeCluster, connect: Connect) -> None:
    rights = RIGHTS | {"/vms/102": ["VM.Audit"], "/vms/103": []}
    fake.reset(vm(101), vm(102), vm(103), tokens=token(RIGHTS, rights))
    connector = await connect()
    findings = await connector.examine(["101", "102"])
    finding = only(by_code(findings, "right-missing"))
    assert finding.machine == "102"
    assert "lacks VM.PowerMgmt on machine 102" in finding.message
    assert "pveum acl modify /vms/102" in finding.hint
    assert by_code(findings, "machine-missing") == []


async def test_a_machine_that_may_not_be_seen_is_not_missing(
    fake: FakeCluster, connect: Connect
) -> None:
    rights = {"/": ["Sys.Audit"], "/vms/101": RIGHTS["/vms"]}
    fake.reset(vm(101), vm(102), tokens=token(RIGHTS, rights))
    connector = await connect()
    findings = await connector.examine(["101", "102"])
    assert by_code(findings, "machine-missing") == []
    finding = only(by_code(findings, "right-missing"))
    assert finding.machine == "102"
    assert "VM.Audit and VM.PowerMgmt" in finding.message


@pytest.mark.parametrize(
    ("version", "right"),
    [
        ("7.4-20", "VM.Monitor"),
        ("8.4.1", "VM.Monitor"),
        ("9.0.3", "VM.GuestAgent.Audit"),
        ("10.0", "VM.GuestAgent.Audit"),
    ],
)
async def test_the_agents_right_goes_by_the_version(
    fake: FakeCluster, connect: Connect, version: str, right: str
) -> None:
    assert agent_right(version) == right
    bare = {"/": ["VM.Audit", "VM.PowerMgmt", "Sys.Audit"]}
    fake.reset(vm(101), version=version, tokens=token(bare, bare))
    finding = only(await (await connect()).examine(["101"]))
    assert (finding.code, finding.severity) == ("agent-right-missing", Severity.INFO)
    assert right in finding.message
    assert right in finding.hint


async def test_a_cluster_that_cannot_be_seen_is_told(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101), tokens=token({"/vms": RIGHTS["/vms"]}, {"/vms": RIGHTS["/vms"]}))
    finding = only(await (await connect()).examine(["101"]))
    assert finding.code == "cluster-hidden"
    assert 'pveum role add DrorchSight --privs "Sys.Audit"' in finding.hint
    assert "pveum acl modify / --users drorch@pve --roles DrorchSight" in finding.hint


async def test_memory_that_a_node_lacks(fake: FakeCluster, connect: Connect) -> None:
    gib = 1024**3
    fake.reset(
        vm(101, memory=40 * gib),
        vm(102, memory=30 * gib),
        vm(103, memory=9 * gib, running=True),
        vm(104, node="pve2", memory=50 * gib),
    )
    connector = await connect()
    finding = only(await connector.examine(["101", "102", "103", "104"]))
    assert finding.code == "memory-short"
    assert "node pve1 has 60.0 GiB free" in finding.message
    assert "want 70.0 GiB" in finding.message
    assert await connector.examine(["101", "103", "104"]) == []


async def test_storage_that_is_not_active(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101, storage="san"), vm(102), ct(103, node="pve2", storage="san"))
    fake.do("node", name="pve1", storages={"local": 1, "san": 0})
    fake.do("node", name="pve2", storages={"san": 1})
    finding = only(await (await connect()).examine(["101", "102", "103"]))
    assert (finding.code, finding.machine) == ("storage-offline", "101")
    assert "storage san" in finding.message


async def test_lost_quorum_is_an_error(fake: FakeCluster, connect: Connect) -> None:
    fake.reset(vm(101))
    fake.do("set", quorate=False)
    finding = only(await (await connect()).examine(["101"]))
    assert (finding.code, finding.severity) == ("no-quorum", Severity.ERROR)
    assert "pvecm status" in finding.hint


def test_rights_are_inherited_as_proxmox_does() -> None:
    rights = Rights(
        {"/": {"Sys.Audit": True, "VM.Audit": False}, "/vms": {"VM.Audit": True}, "/vms/102": {}}
    )
    assert rights.has("/", "VM.Audit")
    assert rights.has("/nodes/pve1", "Sys.Audit")
    assert not rights.has("/nodes/pve1", "VM.Audit")  # given on / alone, not passed on
    assert rights.has_for("101", "VM.Audit")
    assert not rights.has_for("101", "Sys.Audit")  # the nearest entry replaces those above
    assert not rights.has_for("102", "VM.Audit")
