"""All checks of a step, each at its own pace, until they hold at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from drorch.engine.stopping import is_stopped
from drorch.model.plan import CheckSpec, MachineRef
from drorch.ports.check import CheckResult, Prober, Verdict
from drorch.run.seen import CheckSeen
from drorch.run.words import seen_by

log = structlog.get_logger()

FASTEST = 0.25
"""Seconds between two attempts at the beginning, and to confirm a first success."""
_SHARE = 0.05
"""Later the pause is this share of the time waited so far, so that lateness stays small."""

_QUIET = 2.0
"""Seconds before a changed sentence about the same failure is told; doubles each time."""

Told = Callable[[CheckSpec, CheckResult], None]


class BrokenCheckError(Exception):
    """A check cannot be carried out here at all; a person has to mend the set-up."""

    def __init__(self, check: CheckSpec, result: CheckResult) -> None:
        super().__init__(seen_by(check, result.evidence))


class Verification:
    """One attempt to verify one step. ``told`` hears of every result that differs in verdict."""

    def __init__(
        self,
        prober: Prober,
        machine: MachineRef | None,
        checks: Sequence[CheckSpec],
        told: Told,
    ) -> None:
        self._prober = prober
        self._machine = machine
        self._checks = checks
        self._told = told
        self._last: dict[int, CheckResult] = {}
        self._said: dict[int, tuple[CheckResult, float]] = {}
        self._said_often: dict[int, int] = {}
        self._holding: set[int] = set()
        self._all_hold = asyncio.Event()
        self._began = asyncio.get_running_loop().time()

    async def hold(self) -> dict[str, CheckSeen]:
        """Return the evidence once all checks hold; raises `BrokenCheckError`."""
        try:
            await self._watch_all()
        except* BrokenCheckError as broken:
            raise broken.exceptions[0] from None
        return {
            check.name: CheckSeen(healthy=True, evidence=self._last[place].evidence)
            for place, check in enumerate(self._checks)
        }

    async def _watch_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._watch(place, check))
                for place, check in enumerate(self._checks)
            ]
            await self._all_hold.wait()
            for task in tasks:
                task.cancel()

    async def _watch(self, place: int, check: CheckSpec) -> None:
        since: float | None = None
        while True:
            result = await self._probe(check)
            now = asyncio.get_running_loop().time()
            confirmed = since is not None
            since = (since if since is not None else now) if result.healthy else None
            self._note(place, check, result)
            self._hold_or_not(place, check, result, confirmed=confirmed, since=since)
            if result.verdict is Verdict.BROKEN:
                raise BrokenCheckError(check, result)
            await asyncio.sleep(self._pause(place, check, since, now))

    async def _probe(self, check: CheckSpec) -> CheckResult:
        try:
            return await self._prober.probe(check, self._machine)
        except asyncio.CancelledError as error:
            if is_stopped(error):
                raise
            # Raised on, it would end this watch and tell nobody: the step would wait for a check
            # that is not asked any more, and its machine might be restarted for that.
            log.exception("check.broke", check=check.name)
            told = f"unexpected {type(error).__name__}: {str(error)[:300]}"
            return CheckResult(verdict=Verdict.BROKEN, evidence=told)

    def _note(self, place: int, check: CheckSpec, result: CheckResult) -> None:
        self._last[place] = result
        if not result.healthy and self._is_news(place, result):
            self._tell(place, check, result)

    def _is_news(self, place: int, result: CheckResult) -> bool:
        """A failure of another kind is; one that only reads differently, ever more rarely."""
        if place not in self._said:
            return True
        said, at = self._said[place]
        quiet = asyncio.get_running_loop().time() - at < self._quiet(place)
        return said.verdict is not result.verdict or (
            said.evidence != result.evidence and not quiet
        )

    def _quiet(self, place: int) -> float:
        return _QUIET * float(2 ** min(self._said_often[place] - 1, 10))

    def _tell(self, place: int, check: CheckSpec, result: CheckResult) -> None:
        self._said[place] = (result, asyncio.get_running_loop().time())
        self._said_often[place] = self._said_often.get(place, 0) + 1
        self._told(check, result)

    def _hold_or_not(
        self,
        place: int,
        check: CheckSpec,
        result: CheckResult,
        *,
        confirmed: bool,
        since: float | None,
    ) -> None:
        now = asyncio.get_running_loop().time()
        long_enough = check.stable is None or (
            since is not None and now - since >= check.stable.total_seconds()
        )
        if result.healthy and confirmed and long_enough:
            self._begins_to_hold(place, check, result)
        elif not result.healthy:
            self._holding.discard(place)
        if len(self._holding) == len(self._checks):
            self._all_hold.set()

    def _begins_to_hold(self, place: int, check: CheckSpec, result: CheckResult) -> None:
        """Tell of it while others do not hold yet; the last one is told by the step's end."""
        fresh = place not in self._holding
        self._holding.add(place)
        if fresh and len(self._holding) < len(self._checks):
            self._tell(place, check, result)

    def _pause(self, place: int, check: CheckSpec, since: float | None, now: float) -> float:
        interval = check.interval.total_seconds()
        if since is not None and place not in self._holding:
            if check.stable is None:
                return min(interval, FASTEST)
            left = since + check.stable.total_seconds() - now
            return min(interval, max(left, FASTEST / 10))
        return min(interval, max(FASTEST, (now - self._began) * _SHARE))
