"""Looks at services on an ordinary day, so that their state is known without a run.

One orchestrator at a time has the lookout. It only looks, and steps back for every recovery: a
service that an open live run has is not looked at, the run knows better.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeAlias
from zlib import crc32

import structlog

from drorch.engine.asking import Answer, Belief, Question, ask
from drorch.errors import DrorchError
from drorch.journal.service_sightings import Kept, Key, Sighting
from drorch.model.moment import stamp
from drorch.model.plan import CheckSpec, MachineRef, Plan
from drorch.ports.check import CheckResult, Prober, Verdict
from drorch.ports.clock import Clock

log = structlog.get_logger()

EVERY = 60.0
"""Seconds between two looks at a service."""
CONFIRM = 5.0
"""Seconds until an answer that differs from what is known is asked for again."""
FRESH = 3
"""So many rounds old a sighting may be; after that nobody knows."""
TTL = 30.0
"""Seconds for which the lookout is taken; whoever has it renews it with each beat."""
_BEAT = 5.0
_FIRST = 10.0
"""Seconds over which the first looks are spread; the later ones over a whole round."""
_AT_ONCE = 8
_LEAVE_WITHIN = 1.0
_PATIENCE = 30.0
"""Seconds over a check's own timeout: an ``agent`` check waits for its turn at the node first."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A service and the questions that tell how it is."""

    key: Key
    questions: tuple[Question, ...]


Scope: TypeAlias = Callable[[], Awaitable[Sequence[Watched]]]
"""Tells what there is to look at now."""


class Sightings(Protocol):
    """What is kept, and who has the lookout; see `ServiceSightings`."""

    async def take(self, holder: str, ttl: float) -> bool: ...

    async def note(
        self,
        holder: str,
        ttl: float,
        changed: Mapping[Key, Sighting] | None = None,
        looked: Collection[Key] = (),
    ) -> bool: ...

    async def leave(self, holder: str) -> None: ...

    async def all(self) -> Mapping[Key, Kept]: ...


def watched(plan: Plan, *, asks_agents: bool) -> list[Watched]:
    """Return the services of *plan* that have checks of their own, or steps that have.

    ``agent`` checks ask a hypervisor. Without *asks_agents*, and for machines that only the
    hypervisor's inventory could find, they are left out.
    """
    steps = {step.id: step for step in plan.steps}
    found = []
    for service in plan.services:
        own: list[Question] = [(check, None) for check in service.verify]
        for step in (steps[name] for name in service.steps):
            own += [(check, step.machine) for check in step.verify]
        asked = tuple(q for q in own if _may_be_asked(q, asks_agents=asks_agents))
        if asked:
            found.append(Watched(Key(plan.id, service.id), asked))
    return found


def _may_be_asked(question: Question, *, asks_agents: bool) -> bool:
    check, machine = question
    if check.kind != "agent":
        return True
    return asks_agents and machine is not None and machine.id is not None


class Lookout:
    """Looks until cancelled; nothing that befalls it is anybody else's trouble."""

    def __init__(
        self,
        *,
        sightings: Sightings,
        scope: Scope,
        prober: Prober,
        clock: Clock,
        holder: str,
        every: float = EVERY,
    ) -> None:
        """*every* in seconds; *holder* names this process and no other."""
        self._sightings = sightings
        self._scope = scope
        self._prober = _Ordinary(prober)
        self._clock = clock
        self._holder = holder
        self._every = every
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._posts: dict[Key, tuple[Watched, asyncio.Task[None]]] = {}
        self._beliefs: dict[Key, Belief] = {}
        self._known: Mapping[Key, Kept] = {}
        self._changed: dict[Key, Sighting] = {}
        self._looked: set[Key] = set()
        self._has_it = False
        self._until = 0.0
        self._told = ""

    async def keep(self) -> None:
        """Take the lookout when it is free, and look for as long as it is ours."""
        try:
            while True:
                try:
                    await self._beat()
                except DrorchError as error:
                    self._tell(error.message)
                await self._clock.sleep(min(_BEAT, self._every / 4))
        finally:
            self._stand_down()
            with suppress(DrorchError, TimeoutError):
                async with asyncio.timeout(_LEAVE_WITHIN):
                    await self._sightings.leave(self._holder)

    async def _beat(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._has_it and now > self._until:  # the database is away: another may have taken it
            self._stand_down()
        if not await (self._note() if self._has_it else self._take()):
            self._stand_down()
            return
        self._until = now + TTL
        self._tell("")
        self._man(await self._scope())

    async def _take(self) -> bool:
        self._has_it = await self._sightings.take(self._holder, TTL)
        if self._has_it:
            self._known = await self._sightings.all()
        return self._has_it

    async def _note(self) -> bool:
        """Write down what was seen since the last beat; what cannot be written is kept."""
        changed, looked = dict(self._changed), frozenset(self._looked)
        if not await self._sightings.note(self._holder, TTL, changed, looked):
            return False
        self._changed = {k: s for k, s in self._changed.items() if changed.get(k) is not s}
        self._looked -= looked
        return True

    def _man(self, wanted: Sequence[Watched]) -> None:
        """Look at what is *wanted* and at nothing else."""
        now = {post.key: post for post in wanted}
        for key in [key for key, (post, _) in self._posts.items() if now.get(key) != post]:
            self._posts.pop(key)[1].cancel()
            if key not in now:
                self._forget(key)
        for key in now.keys() - self._posts.keys():
            belief = self._beliefs.setdefault(key, self._believed(key))
            task = asyncio.create_task(self._watch(now[key], belief))
            self._posts[key] = (now[key], task)

    def _forget(self, key: Key) -> None:
        """Let nothing of before be noted or believed: a run knows better by now."""
        self._changed.pop(key, None)
        self._looked.discard(key)
        self._beliefs[key] = Belief(None, is_known=False)

    def _stand_down(self) -> None:
        for _, task in self._posts.values():
            task.cancel()
        self._posts.clear()
        self._beliefs.clear()
        self._changed.clear()
        self._looked.clear()
        self._has_it = False

    async def _watch(self, post: Watched, belief: Belief) -> None:
        """Look at one service, at moments of its own within the round."""
        share = crc32("/".join(post.key).encode()) / 2**32
        pauses = [share * min(_FIRST, self._every / 6), max(share * self._every, CONFIRM)]
        while True:
            await self._clock.sleep(self._pause(belief, pauses))
            answer = await ask(
                self._prober,
                post.questions,
                self._slots,
                service=post.key.service,
                patience=_PATIENCE,
            )
            self._hear(post.key, belief, answer)

    def _pause(self, belief: Belief, pauses: list[float]) -> float:
        if belief.is_doubted:
            return min(CONFIRM, self._every / 4)
        return pauses.pop(0) if pauses else self._every

    def _believed(self, key: Key) -> Belief:
        """Return what was seen last, if that is not too long ago."""
        kept = self._known.get(key)
        if kept is None or kept.age_s > FRESH * self._every:
            return Belief(None, is_known=False)
        return Belief(kept.sighting.healthy, is_known=True)

    def _hear(self, key: Key, belief: Belief, answer: Answer) -> None:
        if belief.hear(answer):
            self._changed[key] = Sighting(
                healthy=answer.healthy,
                evidence=answer.evidence,
                since=stamp(self._clock.now()),
            )
        elif belief.is_known and not belief.is_doubted:
            self._looked.add(key)

    def _tell(self, trouble: str) -> None:
        """Say in the log what keeps it from looking, once, and when that is over."""
        if trouble and trouble != self._told:
            log.warning("lookout.waits", reason=trouble)
        elif self._told and not trouble:
            log.info("lookout.goes-on", after=self._told)
        self._told = trouble


class _Ordinary:
    """A prober that knows what a silent hypervisor means: nothing is known about the guest."""

    def __init__(self, prober: Prober) -> None:
        self._prober = prober

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        if check.kind != "agent":
            return await self._prober.probe(check, machine)
        try:
            async with asyncio.timeout(check.timeout.total_seconds() + _PATIENCE / 2):
                result = await self._prober.probe(check, machine)
        except TimeoutError:
            return CheckResult(verdict=Verdict.BROKEN, evidence="the hypervisor is busy or silent")
        if result.verdict is Verdict.UNREACHABLE:
            return CheckResult(verdict=Verdict.BROKEN, evidence=result.evidence)
        return result
