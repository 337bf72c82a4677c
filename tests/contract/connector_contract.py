"""What every connector guarantees, as one suite that each of them inherits and passes.

A connector's own test module says how its estate is prepared::

    class TestExample(ConnectorContract):
        features = frozenset({Feature.TASKS, Feature.ORDER_LOG})

        @pytest.fixture
        async def site(self) -> AsyncIterator[Site]:
            async with example_site() as site:
                yield site

Tests of features that a connector does not declare are not collected at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from drorch.errors import (
    MachineNotFoundError,
    OrderWithheldError,
    OutcomeUnknownError,
    ProtocolError,
    UnavailableError,
    Withheld,
)
from drorch.ports.connector import KeepsLogs, Order, OrderStatus, Power, Severity, Sighting
from tests.contract.site import Expectations, Feature, Site, only_with
from tests.fakes.permit import CountedPermit, allowed

__all__ = ["ConnectorContract", "Feature", "Site", "only_with"]


class ConnectorContract(Expectations):
    """Inherit, set ``features``, provide the fixture ``site``."""

    async def test_survey_sees_machines_and_their_hosts(self, site: Site) -> None:
        stopped, running = await site.stopped_machine(), await site.running_machine()
        survey = await site.connector.survey()
        assert survey.quorate
        assert survey.machines[stopped].power is Power.OFF
        assert survey.machines[running].power is Power.RUNNING
        host = survey.machines[running].host
        assert host is not None
        assert survey.hosts[host].online
        assert all(key == seen.machine for key, seen in survey.machines.items())
        assert site.missing_machine() not in survey.machines

    async def test_look_agrees_with_the_survey(self, site: Site) -> None:
        for machine in (await site.stopped_machine(), await site.running_machine()):
            survey = await site.connector.survey()
            assert await site.connector.look(machine) == survey.machines[machine]

    async def test_a_missing_machine_is_named_and_explained(self, site: Site) -> None:
        missing = site.missing_machine()
        calls: Sequence[Callable[[], Awaitable[object]]] = (
            lambda: site.connector.look(missing),
            lambda: site.connector.start(missing, permit=allowed),
            lambda: site.connector.stop(missing, permit=allowed),
        )
        for call in calls:
            with pytest.raises(MachineNotFoundError, match=missing) as caught:
                await call()
            assert caught.value.hint

    @pytest.mark.parametrize("machine", ["", "../machines", "a b?c#d", "%2e%2e", "è/ü", "1\r\n2"])
    async def test_a_strange_machine_id_is_just_not_found(self, site: Site, machine: str) -> None:
        with pytest.raises(MachineNotFoundError):
            await site.connector.look(machine)
        with pytest.raises(MachineNotFoundError):
            await site.connector.start(machine, permit=allowed)

    async def test_many_readings_at_once(self, site: Site) -> None:
        machine = await site.running_machine()
        seen = await asyncio.gather(*(site.connector.look(machine) for _ in range(30)))
        assert {sighting.power for sighting in seen} == {Power.RUNNING}

    @only_with(Feature.ORDER_LOG)
    async def test_reading_writes_nothing(self, site: Site) -> None:
        stopped, running = await site.stopped_machine(), await site.running_machine()
        before = await site.orders()
        await site.connector.identify()
        await site.connector.survey()
        await site.connector.look(stopped)
        await site.connector.examine([stopped, running, site.missing_machine()])
        await site.connector.ping_agent(running)
        await site.connector.find_order(stopped, datetime.now(UTC) - timedelta(hours=1))
        assert await site.orders() == before

    @only_with(Feature.UNICODE)
    async def test_names_keep_their_letters(self, site: Site) -> None:
        machine, name = await site.unicode_machine()
        assert not name.isascii()
        assert (await site.connector.look(machine)).name == name
        assert (await site.connector.survey()).machines[machine].name == name

    async def test_identity_is_the_same_over_two_connections(self, site: Site) -> None:
        first = await site.connector.identify()
        other = await site.another()
        await other.open()
        try:
            assert await other.identify() == first
        finally:
            await other.close()
        assert await site.connector.identify() == first
        assert first.identity
        assert first.product
        assert first.version

    async def test_examine_reports_a_missing_machine(self, site: Site) -> None:
        missing = site.missing_machine()
        findings = await site.connector.examine([await site.stopped_machine(), missing])
        about = [finding for finding in findings if finding.machine == missing]
        assert [(f.severity, f.code) for f in about] == [(Severity.ERROR, "machine-missing")]
        assert missing in about[0].message
        assert about[0].hint

    async def test_examine_has_no_error_for_a_machine_that_can_start(self, site: Site) -> None:
        machine = await site.stopped_machine()
        findings = await site.connector.examine([machine])
        assert [f for f in findings if f.severity is Severity.ERROR] == []

    async def test_start_leads_to_running(self, site: Site) -> None:
        machine = await site.stopped_machine()
        order = await site.connector.start(machine, permit=allowed)
        assert not order.already
        assert (await self.becomes(site, machine, Power.RUNNING)).machine == machine
        if Feature.TASKS in self.features:
            assert order.handle
            await self.ends(site, order, machine, OrderStatus.DONE)

    async def test_start_of_a_running_machine_orders_nothing(self, site: Site) -> None:
        machine = await site.running_machine()
        before = await self.orders(site)
        assert (await site.connector.start(machine, permit=allowed)).already
        assert await self.orders(site) == before

    @only_with(Feature.SLOW_BOOT)
    async def test_start_of_a_starting_machine_orders_nothing(self, site: Site) -> None:
        machine = await site.slow_machine()
        first = await site.connector.start(machine, permit=allowed)
        assert (await site.connector.look(machine)).power is Power.STARTING
        second = await site.connector.start(machine, permit=allowed)
        assert (first.already, second.already) == (False, True)
        if Feature.TASKS in self.features:
            assert (await site.connector.outcome(first, machine)).status is OrderStatus.ACTIVE

    async def test_two_starts_at_once_boot_once(self, site: Site) -> None:
        machine = await site.stopped_machine()
        before = await self.orders(site)
        other = await site.another()
        await other.open()
        try:
            orders = await asyncio.gather(
                site.connector.start(machine, permit=allowed), other.start(machine, permit=allowed)
            )
        finally:
            await other.close()
        assert not all(order.already for order in orders)
        await self.becomes(site, machine, Power.RUNNING)
        if Feature.ORDER_LOG in self.features:
            assert await site.orders() == before + sum(not order.already for order in orders)

    async def test_stop_leads_to_off_and_then_orders_nothing(self, site: Site) -> None:
        machine = await site.running_machine()
        order = await site.connector.stop(machine, permit=allowed)
        assert not order.already
        await self.becomes(site, machine, Power.OFF)
        if Feature.TASKS in self.features:
            await self.ends(site, order, machine, OrderStatus.DONE)
        before = await self.orders(site)
        assert (await site.connector.stop(machine, permit=allowed)).already
        assert await self.orders(site) == before

    async def test_a_stopped_machine_can_be_started_again(self, site: Site) -> None:
        machine = await site.running_machine()
        await site.connector.stop(machine, permit=allowed)
        await self.becomes(site, machine, Power.OFF)
        assert not (await site.connector.start(machine, permit=allowed)).already
        await self.becomes(site, machine, Power.RUNNING)

    @pytest.mark.parametrize("action", ["start", "stop"])
    async def test_a_withheld_order_is_not_sent_and_the_next_one_works(
        self, site: Site, action: str
    ) -> None:
        on = action == "start"
        machine = await (site.stopped_machine() if on else site.running_machine())
        order = site.connector.start if on else site.connector.stop
        before, permit = await self.orders(site), CountedPermit("held by anna")
        with pytest.raises(OrderWithheldError, match="held by anna") as caught:
            await order(machine, permit=permit)
        assert caught.value.scope is Withheld.HOLD
        assert permit.asked == 1
        assert await self.orders(site) == before
        assert (await site.connector.look(machine)).power is (Power.OFF if on else Power.RUNNING)
        permit.why = ""
        assert not (await order(machine, permit=permit)).already
        assert permit.asked == 2
        await self.becomes(site, machine, Power.RUNNING if on else Power.OFF)
        if Feature.ORDER_LOG in self.features:
            assert await site.orders() == before + 1

    async def test_each_order_is_asked_for_once(self, site: Site) -> None:
        machines = [await site.stopped_machine() for _ in range(3)]
        permits = [CountedPermit(), CountedPermit("held by anna"), CountedPermit()]
        before = await self.orders(site)
        sent = (site.connector.start(m, permit=p) for m, p in zip(machines, permits, strict=True))
        ends = await asyncio.gather(*sent, return_exceptions=True)
        assert [isinstance(end, OrderWithheldError) for end in ends] == [False, True, False], ends
        assert [permit.asked for permit in permits] == [1, 1, 1]
        if Feature.ORDER_LOG in self.features:
            assert await site.orders() == before + 2

    @only_with(Feature.LOOKS_FIRST)
    async def test_a_machine_that_runs_needs_no_permit(self, site: Site) -> None:
        machine, permit = await site.running_machine(), CountedPermit("held by anna")
        assert (await site.connector.start(machine, permit=permit)).already
        assert permit.asked == 0

    @only_with(Feature.TASKS)
    async def test_an_order_is_found_again(self, site: Site) -> None:
        machine = await site.stopped_machine()
        since = datetime.now(UTC)
        order = await site.connector.start(machine, permit=allowed)
        found = await site.connector.find_order(machine, since)
        assert found is not None
        assert found.handle == order.handle
        await self.becomes(site, machine, Power.RUNNING)
        later = datetime.now(UTC) + self.resolution + timedelta(milliseconds=1)
        assert await site.connector.find_order(machine, later) is None

    @only_with(Feature.TASKS)
    async def test_a_stop_is_no_start_order(self, site: Site) -> None:
        machine = await site.running_machine()
        since = datetime.now(UTC) + self.resolution
        while datetime.now(UTC) < since:
            await asyncio.sleep(0.01)
        await site.connector.stop(machine, permit=allowed)
        await self.becomes(site, machine, Power.OFF)
        assert await site.connector.find_order(machine, since) is None

    @only_with(Feature.LOST_REPLIES)
    async def test_an_order_whose_reply_was_lost(self, site: Site) -> None:
        machine = await site.stopped_machine()
        since = datetime.now(UTC)
        await site.lose_next_reply()
        with pytest.raises(OutcomeUnknownError, match=machine):
            await site.connector.start(machine, permit=allowed)
        await self.becomes(site, machine, Power.RUNNING)
        if Feature.TASKS in self.features:
            found = await site.connector.find_order(machine, since)
            assert found is not None
            await self.ends(site, found, machine, OrderStatus.DONE)
        assert (await site.connector.start(machine, permit=allowed)).already

    async def test_no_order_is_found_in_the_future(self, site: Site) -> None:
        machine = await site.stopped_machine()
        await site.connector.start(machine, permit=allowed)
        later = datetime.now(UTC) + timedelta(hours=1)
        assert await site.connector.find_order(machine, later) is None
        assert await site.connector.find_order(site.missing_machine(), later) is None

    @pytest.mark.parametrize("handle", ["no-such-order", "../1", "UPID:x", "è 1"])
    async def test_the_outcome_of_a_strange_handle_is_unknown(
        self, site: Site, handle: str
    ) -> None:
        machine = await site.stopped_machine()
        outcome = await site.connector.outcome(Order(handle=handle), machine)
        assert outcome.status is OrderStatus.UNKNOWN

    async def test_a_log_belongs_to_an_order_and_reading_it_orders_nothing(
        self, site: Site
    ) -> None:
        connector = site.connector
        if not isinstance(connector, KeepsLogs):
            return
        order = await connector.start(await site.stopped_machine(), permit=allowed)
        lines = await connector.order_log(order)
        assert all(isinstance(line, str) for line in lines)
        for handle in ("", "no-such-order", "../1", "UPID:x"):
            assert list(await connector.order_log(Order(handle=handle))) == []

    @only_with(Feature.NETWORK)
    async def test_an_unreachable_estate_is_reported_in_time(self, site: Site) -> None:
        machine = await site.stopped_machine()
        await site.connector.survey()
        await site.break_network()
        calls: Sequence[Callable[[], Awaitable[object]]] = (
            site.connector.survey,
            lambda: site.connector.look(machine),
            lambda: site.connector.start(machine, permit=allowed),
            site.connector.identify,
            lambda: site.connector.examine([machine]),
        )
        for call in calls:
            async with asyncio.timeout(self.unavailable_within):
                with pytest.raises(UnavailableError) as caught:
                    await call()
            assert caught.value.message
            assert caught.value.hint

    @only_with(Feature.NETWORK)
    async def test_reading_recovers_when_the_estate_is_back(self, site: Site) -> None:
        machine = await site.stopped_machine()
        await site.break_network()
        with pytest.raises(UnavailableError):
            await site.connector.survey()
        await site.mend_network()
        assert machine in (await self.answers(site.connector.survey)).machines
        await site.connector.start(machine, permit=allowed)
        await self.becomes(site, machine, Power.RUNNING)

    @only_with(Feature.RUBBISH)
    async def test_rubbish_is_called_rubbish(self, site: Site) -> None:
        connector = await site.rubbish()
        await connector.open()
        try:
            for call in (connector.identify, connector.survey):
                async with asyncio.timeout(self.unavailable_within):
                    with pytest.raises(ProtocolError) as caught:
                        await call()
                assert caught.value.hint
        finally:
            await connector.close()

    @pytest.mark.parametrize("turns", [0, 1, 2, 5, 10, 30])
    async def test_a_cancelled_reading_leaves_the_connector_usable(
        self, site: Site, turns: int
    ) -> None:
        machine = await site.running_machine()
        await self.cancelled(site.connector.survey(), turns)
        await self.cancelled(site.connector.look(machine), turns)
        assert (await site.connector.look(machine)).power is Power.RUNNING
        assert machine in (await site.connector.survey()).machines

    @pytest.mark.parametrize("turns", [1, 5, 30])
    async def test_a_cancelled_order_leaves_the_connector_usable(
        self, site: Site, turns: int
    ) -> None:
        machine = await site.stopped_machine()
        await self.cancelled(site.connector.start(machine, permit=allowed), turns)
        await site.connector.start(machine, permit=allowed)
        await self.becomes(site, machine, Power.RUNNING)

    async def test_open_and_close_may_be_repeated(self, site: Site) -> None:
        machine = await site.running_machine()
        other = await site.another()
        for _ in range(2):
            await other.open()
            await other.open()
            assert (await other.look(machine)).power is Power.RUNNING
            await other.close()
            await other.close()
        assert (await site.connector.look(machine)).power is Power.RUNNING

    @only_with(Feature.AGENT)
    async def test_the_agent_of_a_running_machine_answers(self, site: Site) -> None:
        assert site.connector.capabilities.agent
        machine = await site.running_machine()
        deadline = asyncio.get_running_loop().time() + self.patience
        answer = await site.connector.ping_agent(machine)
        while not answer.healthy and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
            answer = await site.connector.ping_agent(machine)
        assert answer.healthy, answer.evidence
        assert answer.evidence

    async def test_an_absent_agent_is_an_answer(self, site: Site) -> None:
        answer = await site.connector.ping_agent(await site.stopped_machine())
        assert not answer.healthy
        assert answer.evidence

    async def test_events_are_promised_only_where_they_come(self, site: Site) -> None:
        assert site.connector.capabilities.events == (Feature.EVENTS in self.features)
        assert site.connector.capabilities.survey_every > 0
        unsubscribe = site.connector.subscribe(lambda _: None)
        unsubscribe()
        unsubscribe()

    @only_with(Feature.EVENTS)
    async def test_changes_are_pushed_until_nobody_wants_them(self, site: Site) -> None:
        first, second = await site.stopped_machine(), await site.stopped_machine()
        seen: list[Sighting] = []
        unsubscribe = site.connector.subscribe(seen.extend)
        await site.connector.start(first, permit=allowed)
        await self.holds(lambda: (first, Power.RUNNING) in {(s.machine, s.power) for s in seen})
        unsubscribe()
        seen.clear()
        await site.connector.start(second, permit=allowed)
        await self.becomes(site, second, Power.RUNNING)
        assert seen == []
