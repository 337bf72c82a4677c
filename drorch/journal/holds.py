"""Which machines must not be started, by whatever connector their estate is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from drorch.ports.journal import EVERYTHING

T = TypeVar("T")
_SOON = 0.01
"""Seconds that an order waits for a look behind a commit: no slow disk is to hold it up twice."""
HELD = (
    """SELECT connector, machine, 'held', "by", reason FROM holds """
    """UNION ALL SELECT '', '', 'halted', "by", reason FROM halts"""
)
"""What people hold, and a halt as `EVERYTHING`, in the drivers' own words.

One statement, and without SQLAlchemy's price: it is asked before every order.
"""


def placed(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str], str]:
    """Return what the rows of `HELD` say: what is held, and why."""
    return {(row[0], row[1]): f"{row[2]} by {row[3]}: {row[4]}" for row in rows}


def look_up(connection: Connection) -> dict[tuple[str, str], str]:
    return placed(connection.exec_driver_sql(HELD))


async def soonest(look: asyncio.Future[T], read: Callable[[], Awaitable[T]]) -> T:
    """Return what the writer's *look* says, or what *read* does where a commit takes long.

    The look is awaited itself: an order that leaves in the very turn after the commit finds its
    answer there, and not one turn later.
    """
    late = asyncio.get_running_loop().call_later(_SOON, look.cancel)
    try:
        return await look
    except asyncio.CancelledError:
        own = asyncio.current_task()
        if own is not None and own.cancelling():
            raise  # nobody waits any more
    finally:
        late.cancel()
    return await read()


def forbidden(
    machines: Sequence[tuple[str, str]],
    placed: Mapping[tuple[str, str], str],
    estates: Mapping[str, str],
) -> dict[tuple[str, str], str]:
    """Return which of *machines* (connector, machine) are held, and why.

    *placed* are the holds as people placed them, a halt among them as `EVERYTHING`. *estates* has
    the identity that was last seen behind each connector: a hold counts for every connector to
    the same one.
    """
    by_estate = {(estates[c], machine): (c, machine) for c, machine in placed if c in estates}
    out = {EVERYTHING: placed[EVERYTHING]} if EVERYTHING in placed else {}
    for key in machines:
        connector, machine = key
        other = by_estate.get((estates[connector], machine)) if connector in estates else None
        if key in placed:
            out[key] = placed[key]
        elif other is not None:
            out[key] = f"{placed[other]} (held, and to be released, as {other[0]}/{other[1]})"
    return out
