"""Who takes part, in which disciplines, and how each is started."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One program. ``url`` names the PostgreSQL database that it gets, if it wants one."""

    key: str
    title: str
    module: str
    ours: bool = True
    url: str = ""
    arguments: tuple[str, ...] = ()
    disciplines: tuple[str, ...]


@dataclass(frozen=True)
class Discipline:
    """What all of them have to do."""

    key: str
    title: str
    arguments: tuple[str, ...] = field(default=())


NOOP, LARGE, BOOTS = "noop-1000", "noop-10000", "boots-1000"
FIFTY = "fifty"
ALL = (NOOP, LARGE, BOOTS)
DISCIPLINES = (
    Discipline(NOOP, "1,000 nodes that do nothing", ("1000",)),
    Discipline(LARGE, "10,000 nodes that do nothing", ("10000",)),
    Discipline(BOOTS, "1,000 nodes with boot times", ("1000", "--boots")),
)
PLAIN = Contestant(key="plain", title="plain asyncio (the limit)", module="plain", disciplines=ALL)
OURS = Contestant(key="drorch", title="drorch, SQLite FULL", module="ours", disciplines=ALL)
OURS_POSTGRES = Contestant(
    key="drorch-pg",
    title="drorch, PostgreSQL",
    module="ours",
    url="drorch",
    disciplines=ALL,
)
DBOS = Contestant(
    key="dbos",
    title="DBOS reactive, SQLite WAL",
    module="dbos_dag",
    ours=False,
    disciplines=(NOOP, BOOTS),
)
CONTESTANTS = (
    PLAIN,
    OURS,
    OURS_POSTGRES,
    Contestant(key="doit", title="doit", module="doit_dag", ours=False, disciplines=ALL),
    DBOS,
    Contestant(
        key="dbos-pg",
        title="DBOS reactive, PostgreSQL",
        module="dbos_dag",
        ours=False,
        url="dbos",
        disciplines=(NOOP, BOOTS),
    ),
    Contestant(
        key="prefect-1",
        title="Prefect, one task a node",
        module="prefect_dag",
        ours=False,
        arguments=("--tasks", "1"),
        disciplines=(NOOP, BOOTS),
    ),
    Contestant(
        key="prefect-3",
        title="Prefect, three tasks a node",
        module="prefect_dag",
        ours=False,
        disciplines=(NOOP,),
    ),
)
