"""The libvirt connector against real guests, killed processes and starts that fail in earnest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from connectors.libvirt.connector import LibvirtConnector
from connectors.libvirt.settings import parse_settings
from drorch.errors import (
    BusyError,
    ConnectorError,
    OutcomeUnknownError,
    RefusedError,
    UnreachableError,
)
from drorch.ports.connector import Finding, Power, Severity, Sighting
from tests.fakes.permit import allowed
from tests.lab.fleet import LabFleet
from tests.lab.waiting import until, wait_until

pytestmark = pytest.mark.lab

_WRITES = ("Create", "Destroy", "Define", "Undefine", "Set", "Suspend", "Resume", "ManagedSaveRem")


def unopened(lab_fleet: LabFleet, **settings: str | int) -> LibvirtConnector:
    return LibvirtConnector("lab", parse_settings("lab", {"uri": lab_fleet.daemon.uri, **settings}))


@pytest.fixture
async def connector(lab_fleet: LabFleet) -> AsyncIterator[LibvirtConnector]:
    connector = unopened(lab_fleet)
    await connector.open()
    yield connector
    await connector.close()


async def becomes(connector: LibvirtConnector, machine: str, power: Power) -> float:
    async def reached() -> bool:
        return (await connector.look(machine)).power is power

    return await until(reached, within=60, what=f"{machine} to be {power}")


async def agent_answers(connector: LibvirtConnector, machine: str) -> None:
    async def answered() -> bool:
        return (await connector.ping_agent(machine)).healthy

    await until(answered, within=90, what=f"the agent of {machine}")


def codes(findings: list[Finding], severity: Severity) -> list[str]:
    return [finding.code for finding in findings if finding.severity is severity]


async def test_guests_and_their_agent_live_through_a_dead_libvirtd(
    lab_fleet: LabFleet, connector: LibvirtConnector
) -> None:
    """One boot of two guests, where the second is well only when the first is."""
    seen: list[Sighting] = []
    connector.subscribe(seen.extend)
    early = await connector.ping_agent("dns")
    assert not early.healthy
    assert "does not run" in early.evidence
    await asyncio.gather(
        connector.start("cache", permit=allowed), connector.start("dns", permit=allowed)
    )
    assert not (await connector.ping_agent("dns")).healthy  # no guest boots that fast
    print(f"well after {await asyncio.to_thread(lab_fleet.wait_well, 'cache'):.1f} s")
    await agent_answers(connector, "dns")
    survey = await connector.survey()
    running = {name for name, s in survey.machines.items() if s.power is Power.RUNNING}
    assert running == {"dns", "cache"}
    assert survey.machines["dns"].memory == 96 * 1024 * 1024

    await asyncio.to_thread(lab_fleet.kill_libvirtd)
    with pytest.raises(UnreachableError):
        await connector.survey()
    with pytest.raises(UnreachableError):
        await connector.start("web", permit=allowed)
    assert await asyncio.to_thread(lab_fleet.is_well, "cache"), "guests go on without libvirtd"

    await asyncio.to_thread(lab_fleet.restart_libvirtd)
    assert (await connector.look("dns")).power is Power.RUNNING
    assert (await connector.start("dns", permit=allowed)).already
    await agent_answers(connector, "dns")
    seen.clear()
    await asyncio.to_thread(lab_fleet.destroy, "dns")

    async def told() -> bool:
        return ("dns", Power.OFF) in {(s.machine, s.power) for s in seen}

    await until(told, within=20, what="an event over the new connection")
    assert not await asyncio.to_thread(lab_fleet.is_well, "cache"), "it needs dns"


async def test_a_killed_qemu_is_noticed_without_asking(
    lab_fleet: LabFleet, connector: LibvirtConnector
) -> None:
    seen: list[Sighting] = []
    connector.subscribe(seen.extend)
    await connector.start("dns", permit=allowed)
    await becomes(connector, "dns", Power.RUNNING)
    lab_fleet.kill_guest("dns")

    async def told() -> bool:
        return ("dns", Power.OFF) in {(s.machine, s.power) for s in seen}

    print(f"noticed after {await until(told, within=20, what='the event'):.1f} s")
    await becomes(connector, "dns", Power.OFF)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"kernel": "/nonexistent/vmlinuz"}, RefusedError, "could not open kernel file"),
        ({"memory_mib": 4_000_000}, BusyError, "Cannot allocate memory"),
        (
            {
                "extra_devices": "<disk type='file'><source file='/nonexistent/disk.img'/>"
                "<target dev='vda' bus='virtio'/></disk>"
            },
            RefusedError,
            "No such file or directory",
        ),
        (
            {"extra_devices": "<interface type='network'><source network='lan'/></interface>"},
            RefusedError,
            "no network with matching name 'lan'",
        ),
    ],
    ids=["kernel", "memory", "disk", "network"],
)
async def test_a_start_that_fails_says_why_in_qemus_words(
    lab_fleet: LabFleet,
    connector: LibvirtConnector,
    changes: dict[str, object],
    kind: type[ConnectorError],
    words: str,
) -> None:
    lab_fleet.define("db", **changes)
    with pytest.raises(kind, match=words) as caught:
        await connector.start("db", permit=allowed)
    assert caught.value.message.startswith("db: ")
    assert caught.value.hint
    assert (await connector.look("db")).power is Power.OFF


async def test_a_taken_port_is_worth_another_try(
    lab_fleet: LabFleet, connector: LibvirtConnector
) -> None:
    await connector.start("dns", permit=allowed)
    lab_fleet.define("db", port=lab_fleet.ports["dns"])
    with pytest.raises(BusyError, match="Could not set up host forwarding rule"):
        await connector.start("db", permit=allowed)


async def test_a_paused_machine_waits_for_a_person(
    lab_fleet: LabFleet, connector: LibvirtConnector
) -> None:
    await connector.start("dns", permit=allowed)
    with lab_fleet.daemon.connection() as libvirt:
        libvirt.lookupByName("dns").suspend()
    seen = await connector.look("dns")
    assert (seen.power, seen.problem) == (Power.PAUSED, "paused")
    with pytest.raises(RefusedError, match="dns is paused") as caught:
        await connector.start("dns", permit=allowed)
    assert "virsh resume dns" in caught.value.hint
    assert not (await connector.ping_agent("dns")).healthy
    assert codes(list(await connector.examine(["dns"])), Severity.ERROR) == ["machine-problem"]


async def test_a_saved_machine_is_resumed(lab_fleet: LabFleet, connector: LibvirtConnector) -> None:
    await connector.start("dns", permit=allowed)
    with lab_fleet.daemon.connection() as libvirt:
        libvirt.lookupByName("dns").managedSave()
    assert (await connector.look("dns")).power is Power.OFF
    assert "saved-state" in codes(list(await connector.examine(["dns"])), Severity.INFO)
    assert not (await connector.start("dns", permit=allowed)).already
    await becomes(connector, "dns", Power.RUNNING)
    assert "saved-state" not in codes(list(await connector.examine(["dns"])), Severity.INFO)


async def test_a_preflight_names_what_would_fail_and_writes_nothing(
    lab_fleet: LabFleet, connector: LibvirtConnector
) -> None:
    disk = (
        "<disk type='file'><source file='/nonexistent/d'/><target dev='vda' bus='virtio'/></disk>"
    )
    network = "<interface type='network'><source network='lan'/></interface>"
    lab_fleet.define("db", extra_devices=disk + network, agent=False)
    lab_fleet.define("ldap", memory_mib=40_000_000)
    with lab_fleet.daemon.connection() as libvirt:
        libvirt.lookupByName("web").setAutostart(1)
    before = len(lab_fleet.daemon.log())

    findings = await connector.examine(["db", "ldap", "web", "nowhere"])

    asked = lab_fleet.daemon.log()[before:]
    assert "virDomainGetXMLDesc" in asked, "the log names every call"
    assert not [verb for verb in _WRITES if f"virDomain{verb}" in asked]
    assert {(f.machine, f.code) for f in findings if f.severity is not Severity.INFO} == {
        ("db", "disk-unreadable"),
        ("db", "network-missing"),
        ("nowhere", "machine-missing"),
        (None, "memory-short"),
    }
    assert {(f.machine, f.code) for f in findings if f.severity is Severity.INFO} == {
        ("db", "agent-channel-missing"),
        ("web", "autostart"),
    }
    assert all(finding.hint for finding in findings)
    with lab_fleet.daemon.connection() as libvirt:
        libvirt.lookupByName("web").setAutostart(0)


async def test_an_order_that_was_given_up_is_not_sent_later(lab_fleet: LabFleet) -> None:
    """A libvirtd that accepts and stays silent: nothing leaves once nobody waits for it."""
    hasty = unopened(lab_fleet, order_timeout="1s", keepalive_interval="30s")
    await hasty.open()
    assert (await hasty.look("dns")).power is Power.OFF
    lab_fleet.daemon.freeze()
    try:
        with pytest.raises(UnreachableError, match="no answer within 1 s"):
            await hasty.start("dns", permit=allowed)
    finally:
        lab_fleet.daemon.thaw()
    before = len(lab_fleet.daemon.log())
    assert (await hasty.look("dns")).power is Power.OFF
    wait_until(
        lambda: "virDomainGetAutostart" in lab_fleet.daemon.log()[before:],
        within=20,
        what="the late reading to be answered",
    )
    assert (await hasty.look("dns")).power is Power.OFF
    assert "virDomainCreate" not in lab_fleet.daemon.log()[before:]
    await hasty.close()


async def test_a_silent_libvirtd_is_given_up_and_taken_up_again(lab_fleet: LabFleet) -> None:
    connector = unopened(lab_fleet, read_timeout="3s", keepalive_interval="1s", keepalive_count=1)
    await connector.open()

    async def answered() -> bool:
        try:
            return "dns" in (await connector.survey()).machines
        except UnreachableError:
            return False

    await until(answered, within=30, what="the connector to get through")
    lab_fleet.daemon.freeze()
    try:
        with pytest.raises(UnreachableError):
            await connector.survey()
        with pytest.raises(UnreachableError):
            await connector.look("dns")
    finally:
        lab_fleet.daemon.thaw()
    await until(answered, within=30, what="the connector to come back")
    await connector.close()


async def test_libvirtd_that_dies_during_a_start_leaves_the_outcome_open(
    lab_fleet: LabFleet, connector: LibvirtConnector
) -> None:
    lab_fleet.define("db", memory_mib=96)
    start = asyncio.ensure_future(connector.start("db", permit=allowed))
    before = len(lab_fleet.daemon.log())
    await asyncio.to_thread(
        wait_until,
        lambda: "virDomainCreateWithFlags" in lab_fleet.daemon.log()[before:],
        within=20,
        what="the order to arrive",
    )
    lab_fleet.kill_libvirtd()
    with pytest.raises(OutcomeUnknownError, match="db"):
        await start
    await asyncio.to_thread(lab_fleet.restart_libvirtd)

    async def settled() -> bool:
        return (await connector.look("db")).power in {Power.OFF, Power.RUNNING}

    # A QEMU that was half-way is killed by the new libvirtd, some time after it answers.
    await until(settled, within=30, what="libvirtd to decide about db")
    await connector.start("db", permit=allowed)
    await becomes(connector, "db", Power.RUNNING)
