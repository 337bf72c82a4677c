"""The verdict on one seed: what broke, and what really happened in it."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import structlog

from drorch.journal import codec
from tests.simulation.disaster import imagine
from tests.simulation.promises import broken
from tests.simulation.stage import Stage, perform
from tests.simulation.telling import story

_TWICE = 50
"""Every fiftieth seed is played twice: the same seed has to be the same disaster."""


@dataclass(slots=True)
class Verdict:
    """What came of one seed."""

    seed: int
    broken: list[tuple[str, str]] = field(default_factory=list)
    story: str = ""
    hours: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    killed_at: Counter[str] = field(default_factory=Counter)


def judge(seed: int) -> Verdict:
    """Play *seed* and check every promise."""
    verdict = Verdict(seed)
    try:
        stage = perform(imagine(seed))
        verdict.broken = broken(stage)
        if seed % _TWICE == 0 and digest(perform(imagine(seed))) != digest(stage):
            verdict.broken.append(("the_same_twice", "played again, its journal is another one"))
    except Exception:
        verdict.broken = [("it_runs", traceback.format_exc())]
        return verdict
    if verdict.broken:
        verdict.story = story(stage)
    witness, disk = stage.scene.witness, stage.scene.disk
    verdict.hours = (disk.commits[-1].at if disk.commits else 0.0) / 3600
    verdict.counts, verdict.reached = witness.counts, witness.reached
    verdict.killed_at = witness.killed_at
    verdict.counts.update(_effects(stage))
    return verdict


def digest(stage: Stage) -> str:
    """Return a hash of all that was recorded."""
    told = "".join(f"{e.type}{codec.encode(e)}" for e in stage.scene.disk.events)
    return hashlib.sha256(told.encode()).hexdigest()


def _effects(stage: Stage) -> Counter[str]:
    """Count what the faults led to: a fault that changes nothing proves nothing."""
    disk, sent = stage.scene.disk, stage.scene.witness.sent
    kinds = Counter(event.type for event in disk.events)
    holders = [name for _, _, name in disk.owners]
    return Counter(
        {
            "orders": len(sent),
            "already running": sum(bool(s.entry and s.entry.already) for s in sent),
            "lost answers": disk.lost_answers,
            "full disk": disk.refused,
            "overtaken": sum(a != b for a, b in pairwise(holders)),
            "doubts": kinds["order.in-doubt"],
            "voids": kinds["order.voided"],
            "restarts": kinds["machine.stopped"],
            "ticks": kinds["step.on-paper"],
            "events": len(disk.events),
        }
    )


def quiet() -> None:
    """The engine's logs are commentary, and here it would be a million lines."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
