"""`drorch serve` and who may come in: it never starts open to others, and leaves nothing unanchored."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.access import WantedToken, make_token
from api.bootstrap import Application
from api.callers import system_caller
from api.entrance import look_at_entrance, tell_entrance
from api.serving import run_engine, serve
from api.settings import Settings
from api.tls import OwnTls
from drorch.access.roles import Role
from drorch.errors import ConfigurationError
from tests.api.desk import until
from tests.api.people import person

EXPOSED: list[dict[str, Any]] = [
    {"host": "0.0.0.0"},
    {"host": "::"},
    {"host": "10.1.0.9"},
    {"host": "127.0.0.1", "trusted_proxy": ["127.0.0.1"]},
]


async def first_token(app: Application) -> None:
    wanted = WantedToken(name="first", role=Role.ADMIN, days=None)
    await make_token(app, wanted, system_caller("test"))


@pytest.mark.parametrize("server", EXPOSED, ids=str)
async def test_it_does_not_start_open_to_others(tmp_path: Path, server: dict[str, Any]) -> None:
    config = Settings.model_validate({"data_dir": tmp_path, "server": server})
    async with Application(config) as app:
        with pytest.raises(ConfigurationError, match="nobody would have to log in") as refused:
            await look_at_entrance(app)
        assert "drorch token create" in refused.value.hint
        await first_token(app)
        assert await look_at_entrance(app) == ""
        act = system_caller("test").act("token.revoke", "token/first")
        await app.gate.revoke_token("first", act)
        with pytest.raises(ConfigurationError):
            await look_at_entrance(app)
        await person(app)
        assert await look_at_entrance(app) == ""


def test_the_command_refuses_before_it_listens(tmp_path: Path) -> None:
    OwnTls.of(tmp_path).make(["localhost"], datetime.now(UTC))
    server = {"host": "0.0.0.0", "port": 0}
    config = Settings.model_validate({"data_dir": tmp_path, "server": server})
    told: list[str] = []
    with pytest.raises(ConfigurationError, match="nobody would have to log in"):
        serve(config, told.append)
    assert told == []


async def test_on_loopback_it_runs_open_and_says_how_to_end_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Application(Settings(data_dir=tmp_path)) as app:
        tell_entrance(await look_at_entrance(app))
        said = capsys.readouterr().err
        assert "runs open" in said
        assert "drorch token create --name NAME --role admin" in said
        await first_token(app)
        tell_entrance(await look_at_entrance(app))
        assert capsys.readouterr().err == ""


async def test_the_engine_anchors_while_it_runs_and_at_its_end(tmp_path: Path) -> None:
    config = Settings.model_validate({"data_dir": tmp_path, "server": {"port": 0}})
    points, ending = tmp_path / "audit.checkpoints", asyncio.Event()
    async with Application(config) as app:
        await first_token(app)
        running = asyncio.create_task(run_engine(config, ending))

        async def anchored() -> bool:
            return points.exists() and await asyncio.to_thread(app.anchor.unanchored) == 0

        await until(anchored)
        await person(app)
        ending.set()
        await asyncio.wait_for(running, 20)
        found = await asyncio.to_thread(app.anchor.verify)
        assert (found.is_whole, found.entries, found.unanchored) == (True, 2, 0)


async def test_an_engine_that_cannot_anchor_goes_on(tmp_path: Path) -> None:
    config = Settings.model_validate({"data_dir": tmp_path, "server": {"port": 0}})
    (tmp_path / "audit.checkpoints").mkdir()
    async with Application(config) as app:
        await first_token(app)
        keeping = asyncio.create_task(app.anchor.keep())
        await asyncio.wait({keeping}, timeout=0.5)
        assert not keeping.done()
        keeping.cancel()
        await app.anchor.write_last()
