"""How services stand: what a person says, an open run, a fresh look, the last run; in this order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from api.bootstrap import Application
from connectors.simulated.machine import Action
from connectors.simulated.server import Simulator
from drorch.journal.service_sightings import Key, Sighting
from drorch.model.moment import stamp
from tests.api.desk import PLAN, Caller

TWO = PLAN.replace(
    "groups:\n",
    "  post: {title: {it: Posta, en: Mail}, steps: [mail]}\n"
    "  taxes: {title: {it: Tributi}, external: true, verify: [{tcp: '127.0.0.1:9'}]}\n"
    "groups:\n",
)
EARLY, LATE = timedelta(days=-1), timedelta(days=1)


async def saw(app: Application, after: timedelta = EARLY, **states: bool | None) -> None:
    """Note how services are, so since a moment *after* now."""
    since = stamp(datetime.now(UTC) + after)
    await app.sightings.note(
        "test", 30,
        {Key("town", n): Sighting(healthy=h, evidence=f"saw {n}", since=since) for n, h in states.items()},
    )  # fmt: skip


async def aged(app: Application, seconds: float) -> None:
    change = text("UPDATE service_sightings SET looked_at = looked_at - :s")
    await app.store.writing(lambda c: c.execute(change, {"s": seconds}).close())


async def stands(api: Caller) -> Mapping[str, Any]:
    return {s["id"]: s for s in (await api.get("/services"))["items"]}


def told(found: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {name: (s["state"], s["known_by"]) for name, s in found.items()}


async def test_without_a_run_it_is_as_it_was_seen(api: Caller, application: Application) -> None:
    await api.store(TWO)
    assert told(await stands(api)) == dict.fromkeys(
        ("registry", "post", "taxes"), ("unknown", "nothing")
    )
    await saw(application, registry=True, post=False, taxes=None)
    found = await stands(api)
    assert told(found) == {
        "registry": ("up", "sighting"), "post": ("down", "sighting"), "taxes": ("unknown", "sighting"),
    }  # fmt: skip
    assert found["post"]["evidence"] == "saw post"
    assert found["post"]["since"] < found["post"]["seen_at"]


async def test_a_look_that_is_too_old_tells_nothing(api: Caller, application: Application) -> None:
    await api.store(TWO)
    await saw(application, registry=True, post=False)
    await aged(application, 170)
    assert (await stands(api))["registry"]["state"] == "up"
    await aged(application, 20)
    assert told(await stands(api))["registry"] == ("unknown", "nothing")


async def test_an_open_run_knows_better_and_one_that_did_not_begin_knows_nothing(
    api: Caller, application: Application
) -> None:
    await api.store(TWO)
    await saw(application, registry=True, post=False)
    run = await api.start()
    assert told(await stands(api))["registry"] == ("up", "sighting"), "nobody drives it yet"
    assert run


async def test_a_run_restores_and_what_it_leaves_alone_is_not_affected(
    api: Caller, application: Application, engine: Application
) -> None:
    await api.store(TWO)
    run = await api.start(only=["registry"])
    await api.asks(run, "san")
    await saw(application, post=True)
    found = await stands(api)
    assert told(found)["registry"] == ("restoring", "run")
    assert found["registry"]["since"] is not None
    assert told(found)["post"] == ("not_affected", "sighting")
    await saw(application, LATE, post=True)
    assert told(await stands(api))["post"] == ("up", "sighting"), "it came back meanwhile"
    await saw(application, post=False)
    assert told(await stands(api))["post"] == ("down", "sighting")


@pytest.mark.parametrize("mode", ["dry-run", "simulate"])
async def test_a_rehearsal_touches_nobody_s_state(
    api: Caller, application: Application, engine: Application, mode: str
) -> None:
    await api.store(TWO)
    await saw(application, registry=True)
    run = await api.start(mode)
    await api.status(run, "succeeded", "failed")
    assert told(await stands(api))["registry"] == ("up", "sighting")


async def test_after_the_run_its_end_counts_until_somebody_looks(
    api: Caller, application: Application, engine: Application
) -> None:
    await api.store(TWO)
    await saw(application, registry=False)
    await aged(application, 3600)
    run = await api.start()
    await api.asks(run, "san")
    await api.post(f"/runs/{run}/steps/san/approve", json={})
    await api.status(run, "succeeded")
    found = await stands(api)
    assert told(found)["registry"] == ("up", "ended_run")
    assert found["registry"]["since"] == found["registry"]["up_at"]
    await saw(application, registry=False)
    assert told(await stands(api))["registry"] == ("down", "sighting")
    await aged(application, 400)
    assert told(await stands(api))["registry"] == ("up", "ended_run"), "the run ended after that"


async def test_what_was_found_running_was_never_down(
    api: Caller, application: Application, engine: Application, simulator: Simulator
) -> None:
    async with httpx2.AsyncClient(base_url=simulator.url) as hypervisor:
        for machine in ("101", "102"):
            answer = await hypervisor.post(f"/machines/{machine}/{Action.START}")
            assert answer.is_success
    await api.store(TWO.replace("group: core}\n", "group: core}\n  end: {manual: {ask: Done?}}\n"))
    run = await api.start()
    await api.asks(run, "san")
    await api.post(f"/runs/{run}/steps/san/approve", json={})

    async def settled() -> bool:
        found = await stands(api)
        return bool(found["post"]["state"] == "up" and found["registry"]["state"] != "restoring")

    from tests.api.desk import until

    await until(settled)
    found = told(await stands(api))
    assert found["post"] == ("up", "run"), "it was ordered"
    assert found["registry"] == ("not_affected", "run")


async def test_what_a_person_says_goes_first(api: Caller, application: Application) -> None:
    await api.store(TWO)
    await saw(application, registry=True)
    said = {"state": "down", "text": {"it": "Chiuso"}}
    await api.http.put("/api/v1/services/registry/notice", json=said)
    found = (await stands(api))["registry"]
    assert (found["state"], found["derived_state"]) == ("down", "up")
    assert found["notice"]["text"] == {"it": "Chiuso"}
