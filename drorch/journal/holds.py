"""Which machines must not be started, by whatever connector their estate is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, literal, select, union_all

from drorch.journal.access_tables import HaltRow
from drorch.journal.tables import HoldRow
from drorch.ports.journal import EVERYTHING

_holds = HoldRow.__table__.c  # type: ignore[attr-defined]  # SQLModel adds it at run time
_halts = HaltRow.__table__.c  # type: ignore[attr-defined]
_connector, _machine = map(literal, EVERYTHING)


def placed(connection: Connection) -> dict[tuple[str, str], str]:
    """Return what people hold, and why; a halt as `EVERYTHING`.

    In one statement: it is asked for before every order.
    """
    held = select(_holds.connector, _holds.machine, literal("held"), _holds.by, _holds.reason)
    halted = select(_connector, _machine, literal("halted"), _halts.by, _halts.reason)
    rows = connection.execute(union_all(held, halted))
    return {(row[0], row[1]): f"{row[2]} by {row[3]}: {row[4]}" for row in rows}


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
