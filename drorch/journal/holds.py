"""Which machines must not be started, by whatever connector their estate is reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from drorch.ports.journal import EVERYTHING

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
