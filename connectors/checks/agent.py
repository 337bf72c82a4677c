"""``agent``: the guest agent answers, asked through the machine's hypervisor."""

from __future__ import annotations

from connectors.checks.attempt import Attempt, Kind, UnwellError
from drorch.errors import BusyError, ConfigurationError, MachineNotFoundError
from drorch.model.plan import MachineRef


def of(machine: MachineRef | None) -> Kind:
    """Return the check of *machine*'s agent."""

    async def check(attempt: Attempt) -> str:
        return await _check(attempt, machine)

    return check


async def _check(attempt: Attempt, machine: MachineRef | None) -> str:
    if machine is None or machine.id is None:
        raise ConfigurationError(
            "an agent check asks a machine's hypervisor, and this step has no machine with an id",
            hint="use agent: {} on steps with vm:, and name a machine that the connector sees",
        )
    connector = attempt.world.connectors.get(machine.connector)
    if connector is None:
        raise ConfigurationError(f"the connector {machine.connector!r} is not configured")
    attempt.asked = f"guest agent of {machine}"
    try:
        answer = await connector.ping_agent(machine.id)
    except (BusyError, MachineNotFoundError) as error:
        raise UnwellError(error.message, hint=error.hint) from error
    if not answer.healthy:
        raise UnwellError(attempt.quote(answer.evidence, 300))
    return attempt.quote(answer.evidence, 300)
