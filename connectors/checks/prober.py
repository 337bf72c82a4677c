"""Carries out one attempt of any check: within its time, with evidence, and without raising."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from connectors.checks import agent, drivers
from connectors.checks.attempt import Attempt, Kind, UnwellError, World
from connectors.checks.conversation import CutOffError
from connectors.checks.kinds import KINDS
from connectors.checks.pacing import Pacing
from connectors.checks.threads import Threads
from connectors.checks.trust import Trust
from connectors.network import Network
from drorch.errors import (
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    DrorchError,
    OutcomeUnknownError,
    ProtocolError,
    UnavailableError,
)
from drorch.model.plan import CheckSpec, MachineRef
from drorch.ports.callout import Callouts
from drorch.ports.check import CheckResult, Verdict
from drorch.ports.connector import Connector

_BLOCKING_AT_ONCE = 128


class Checks:
    """The prober of the product, over real sockets. Implements `drorch.ports.check.Prober`."""

    def __init__(
        self,
        *,
        secret: Callable[[str], str],
        authorities: Mapping[str, Path],
        network: Network,
        connectors: Mapping[str, Connector],
        callouts: Callouts,
        host_of: Callable[[MachineRef], str | None] = lambda _machine: None,
    ) -> None:
        """*secret* and *authorities* resolve the names that plans use.

        *host_of* tells the node that a machine is on, where it is known: guest agent pings are
        paced per node, and for machines of unknown place per connector.
        """
        self._world = World(
            network=network,
            trust=Trust(authorities),
            secret=secret,
            connectors=connectors,
            callouts=callouts,
            threads=Threads("drorch-check", _BLOCKING_AT_ONCE),
        )
        self._host_of = host_of
        self._pacing = Pacing()

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        """Try *check* once, within ``check.timeout`` whatever the other side does.

        An optional driver is imported before the time begins, once and in a thread.
        An ``agent`` check first waits for its turn at the node, one a second; its time begins
        after that, because a queue of ours says nothing about the guest.
        """
        attempt = Attempt(
            kind=check.kind,
            params=check.params,
            timeout=check.timeout.total_seconds(),
            world=self._world,
        )
        if check.kind == "agent" and machine is not None:
            await self._pacing.turn(machine.connector, self._host_of(machine))
        await drivers.load(check.kind, check.params, self._world.threads)
        verdict, answer = await _judged(attempt, _kind(check, machine))
        return CheckResult(verdict=verdict, evidence=attempt.evidence(answer))


def _kind(check: CheckSpec, machine: MachineRef | None) -> Kind:
    if check.kind == "agent":
        return agent.of(machine)
    return KINDS.get(check.kind, _unknown)


async def _unknown(attempt: Attempt) -> str:
    raise ConfigurationError(
        f"there is no check of the kind {attempt.kind!r}",
        hint=f"one of: {', '.join(sorted((*KINDS, 'agent')))}",
    )


async def _judged(attempt: Attempt, kind: Kind) -> tuple[Verdict, str]:
    try:
        async with asyncio.timeout(attempt.timeout):
            return Verdict.HEALTHY, await kind(attempt)
    except DrorchError as error:
        return _verdict_of(
            error
        ), f"{error.message} ({error.hint})" if error.hint else error.message
    except TimeoutError:
        return _silence(attempt)
    except ConnectionRefusedError:
        return Verdict.REFUSED, "connection refused: the host is there and nothing listens"
    except CutOffError as error:
        data = f" {attempt.said(error.data)}" if error.data else ""
        return Verdict.UNWELL, error.message + data
    except OSError as error:
        verdict = Verdict.UNWELL if attempt.reached else Verdict.UNREACHABLE
        return verdict, error.strerror or str(error) or "the connection broke"
    except Exception as error:  # noqa: BLE001 (what the other side sent made a parser stumble)
        verdict = Verdict.UNWELL if attempt.reached else Verdict.BROKEN
        return verdict, f"{type(error).__name__}: {error}"


def _verdict_of(error: DrorchError) -> Verdict:
    away = UnavailableError | OutcomeUnknownError | ProtocolError
    if isinstance(error, away | AuthenticationError | CertificateError):
        return Verdict.UNREACHABLE  # trouble of the hypervisor's, not of the application
    if isinstance(error, UnwellError):
        return Verdict.UNWELL
    return Verdict.BROKEN


def _silence(attempt: Attempt) -> tuple[Verdict, str]:
    saw = f"; so far it said {attempt.saw}" if attempt.saw else ""
    if attempt.reached:
        return Verdict.UNWELL, f"no complete answer within {attempt.timeout:g} s{saw}"
    return Verdict.UNREACHABLE, f"nobody answered within {attempt.timeout:g} s"
