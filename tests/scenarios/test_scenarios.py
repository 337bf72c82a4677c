"""Plays every scenario and compares its journal, line by line."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import plans
from drorch.engine.virtual import run_virtually
from drorch.run import events as ev
from tests.fakes.replay import assert_honest, assert_replays
from tests.fakes.script import T0
from tests.fakes.stage import Stage

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/plan.yaml"))
_SHOWN = ("attempt", "order", "kind", "status", "ask", "by", "outside", "scope", "key", "already",
          "spent", "driver", "steps", "detail", "reason", "check", "evidence", "healthy")  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_scenario(folder: Path) -> None:
    lines = list(reduced(run_virtually(played(folder))))
    expected = folder / "expect.jsonl"
    if os.environ.get("DRORCH_REWRITE_SCENARIOS") == "1":
        expected.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert lines == expected.read_text(encoding="utf-8").splitlines()


async def played(folder: Path) -> Stage:
    told = yaml.safe_load((folder / "world.yaml").read_text(encoding="utf-8"))
    stage = Stage(plans.load_file(folder / "plan.yaml"), told["fleet"])
    story = asyncio.create_task(stage.perform(told.get("story", ())))
    live = await stage.recover()
    story.cancel()
    assert_replays(live, stage.events)
    assert_honest(live)
    return stage


def reduced(stage: Stage) -> Iterator[str]:
    for event in stage.events:
        if isinstance(event, ev.RunRequested):
            continue
        line: dict[str, Any] = {"t": round((event.at - T0).total_seconds(), 1), "type": event.type}
        if (step := getattr(event, "step", None)) is not None:
            line["step"] = step
        if isinstance(event, ev.MachinesObserved):
            line["machines"] = {name: seen.power for name, seen in event.machines.items()}
        shown = {name: getattr(event, name) for name in _SHOWN if getattr(event, name, "") != ""}
        yield json.dumps({**line, **shown})
    orders = Counter(f"{entry.action} {entry.machine}" for entry in stage.world.log
                     if entry.result == "accepted")  # fmt: skip
    yield json.dumps({"accepted": dict(sorted(orders.items()))})
