"""A run's whole journal as one file: to read it elsewhere, or to carry the run on there.

JSON lines: a header, every event exactly as it is stored, and the SHA-256 of all that before it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, select

from drorch.errors import (
    DrorchError,
    JournalDamagedError,
    JournalError,
    PlanError,
    RunNotFoundError,
)
from drorch.journal import codec
from drorch.journal.checking import first_missing
from drorch.journal.store import Store, events_, runs_
from drorch.journal.tickets import EventLine
from drorch.model.moment import stamp
from drorch.model.soundness import refuse_unsound
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.state import RunState

FORMAT = "drorch-run/1"
_FAMILY = "drorch-run/"
_EVENT = re.compile(
    rb'\{"seq":(\d{1,12}),"type":"([a-z.-]+)","version":(\d{1,6}),"data":(\{.*\})\}'
)
_PLAN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""The id of a plan; that of a run names files, and stands in addresses and on terminals."""
_SEAL = re.compile(rb'\{"sha256":"([0-9a-f]{64})"\}')
_AGAIN = "export the run once more, and carry the file over as it is: as binary, without an editor"


class RunFileError(DrorchError):
    """The file is not, or not any more, what `export` wrote."""

    code = "run-file"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFile:
    """A run as a file has it, proved whole. ``state`` is what its events fold to."""

    run: str
    created_at: str
    lines: Sequence[EventLine]
    ending: ev.RunEnded | None
    state: RunState


async def exported(store: Store, run: str, *, now: datetime, version: str) -> bytes:
    """Return the file of *run* as it is now. *version* is that of this drorch.

    Raises `RunNotFoundError`, and `JournalDamagedError` for a journal that is not whole.
    """

    def work(connection: Connection) -> tuple[Any, Sequence[Any]]:
        found = connection.execute(select(runs_).where(runs_.c.id == run)).first()
        query = select(events_).where(events_.c.run == run).order_by(events_.c.seq)
        return found, connection.execute(query).all()

    row, rows = await store.reading(work)
    if row is None:
        raise RunNotFoundError(f"there is no run {run!r} here", hint="'drorch runs' lists the runs")
    lost = first_missing([line.seq for line in rows])
    if lost is not None or not rows:
        raise JournalDamagedError(
            f"the journal of {run} is not whole: event {lost or 1} is missing",
            hint="'drorch db check' tells how much is lost; export the run from a backup",
        )
    header = {
        "format": FORMAT,
        "drorch": version,
        "run": run,
        "plan": row.plan,
        "mode": row.mode,
        "status": row.status,
        "created_at": row.created_at,
        "events": len(rows),
        "exported_at": stamp(now),
    }
    body = [json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()]
    body += [_event(line) for line in rows]
    whole = b"".join(line + b"\n" for line in body)
    return whole + b'{"sha256":"%s"}\n' % hashlib.sha256(whole).hexdigest().encode()


async def journal_digest(store: Store, run: str, *, upto: int) -> str:
    """Return the SHA-256 (hex) of the first *upto* events of *run*, as its file has them.

    Whoever has the file can make it anew: ``sed '1d;$d' FILE | sha256sum``.
    """

    def work(connection: Connection) -> Sequence[Any]:
        query = select(events_).where(events_.c.run == run, events_.c.seq <= upto)
        return connection.execute(query.order_by(events_.c.seq)).all()

    rows = await store.reading(work)
    return await asyncio.to_thread(_digest, rows)


def _digest(rows: Sequence[Any]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(_event(row) + b"\n")
    return digest.hexdigest()


def _event(row: Any) -> bytes:
    data = row.data if "\n" not in row.data else json.dumps(json.loads(row.data))
    head = f'{{"seq":{row.seq},"type":"{row.type}","version":{row.version},"data":'
    return f"{head}{data}}}".encode()


def read_file(content: bytes) -> RunFile:
    """Return the run in *content*. Raises `RunFileError` with the line that is wrong."""
    lines = content.split(b"\n")
    header = _header(lines[0])
    if lines.pop() != b"" or len(lines) < 2:
        raise _cut(len(lines) + 1)
    events = [_stored(header, number, line) for number, line in enumerate(lines[1:-1], start=2)]
    seal = _SEAL.fullmatch(lines[-1])
    if seal is None:
        raise _cut(len(lines) + 1) if _EVENT.fullmatch(lines[-1]) else _damaged(len(lines))
    body = content[: len(content) - len(lines[-1]) - 1]
    if hashlib.sha256(body).hexdigest().encode() != seal[1]:
        raise RunFileError(
            f"the file was changed on its way: its lines 1 to {len(lines) - 1} are not those that "
            "were exported",
            hint=_AGAIN,
        )
    if header["events"] != len(events):
        raise RunFileError(
            f"the header tells of {header['events']} events, there are {len(events)}", hint=_AGAIN
        )
    return _whole(header, events)


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or not str(header.get("format", "")).startswith(_FAMILY):
        raise RunFileError(
            "line 1 is not the beginning of an exported run",
            hint="'drorch export RUN --out FILE' writes such a file",
        )
    if header["format"] != FORMAT:
        raise RunFileError(
            f"the file has the format {header['format']!r}, this drorch knows {FORMAT!r}",
            hint=f"drorch {header.get('drorch', '?')} wrote it: use that one, or a newer one",
        )
    kinds = {"run": str, "plan": str, "mode": str, "created_at": str, "events": int}
    wrong = [name for name, kind in kinds.items() if not isinstance(header.get(name), kind)]
    if wrong:
        raise RunFileError(f"line 1 does not say {wrong[0]!r}", hint=_AGAIN)
    return header


def _stored(header: dict[str, Any], number: int, line: bytes) -> EventLine:
    """Return the event in line *number*, once it is one that this drorch can read."""
    found = _EVENT.fullmatch(line)
    if found is None:
        raise _damaged(number)
    if int(found[1]) != number - 1:
        raise RunFileError(
            f"line {number} holds event {int(found[1])}, event {number - 1} is missing",
            hint=_AGAIN,
        )
    try:
        data = found[4].decode()
        stored = EventLine(header["run"], number - 1, found[2].decode(), int(found[3]), data)
        if _is_timeless(codec.decode(stored.type, stored.data, stored.version)):
            raise _damaged(number)
    except JournalError as error:
        raise RunFileError(f"line {number}: {error.message}", hint=error.hint) from error
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        raise _damaged(number) from error
    return stored


def _is_timeless(event: ev.Event) -> bool:
    """Tell whether a moment of *event* has no zone: nobody could compare it with any other."""
    values = [getattr(event, field.name) for field in fields(event)]
    return any(isinstance(value, datetime) and value.tzinfo is None for value in values)


def _whole(header: dict[str, Any], lines: Sequence[EventLine]) -> RunFile:
    """Return the run, once its events tell of the one that the header names, from its beginning."""
    events = [codec.decode(line.type, line.data, line.version) for line in lines]
    _refuse_unsound(events)
    try:
        state = fold(events)
        _refuse_strange(state, events)
        datetime.fromisoformat(header["created_at"])
    except Exception as error:
        # Whatever a file that somebody made by hand does to the fold: it is refused.
        raise RunFileError(
            f"its events do not fit together: {type(error).__name__}: {error}", hint=_AGAIN
        ) from error
    told = (header["run"], header["plan"], header["mode"])
    if (state.run, state.plan.id, str(state.mode)) != told or _number(state) is None:
        raise RunFileError(
            f"the header names {header['run']} ({header['mode']}), the events are of {state.run} "
            f"({state.mode})",
            hint=_AGAIN,
        )
    last = events[-1]
    return RunFile(
        run=header["run"],
        created_at=header["created_at"],
        lines=lines,
        ending=last if isinstance(last, ev.RunEnded) else None,
        state=state,
    )


def _refuse_unsound(events: Sequence[ev.Event]) -> None:
    """Refuse a plan that the plan language would: what drives runs relies on its rules."""
    try:
        for event in events:
            if isinstance(event, ev.RunRequested):
                refuse_unsound(event.plan)
    except PlanError as error:
        raise RunFileError(
            f"its plan is none that drorch would run: {error.message}", hint=_AGAIN
        ) from error


def _refuse_strange(state: RunState, events: Sequence[ev.Event]) -> None:
    """Raise ValueError for what folds, and what drorch never records."""
    if not _PLAN.fullmatch(state.plan.id):
        raise ValueError(f"no plan is called {state.plan.id[:80]!r}")
    if any(isinstance(event, ev.RunEnded) for event in events[:-1]):
        raise ValueError("something happens after the end")


def _number(state: RunState) -> int | None:
    """Return the number that a run's id ends with: PLAN-NUMBER."""
    plan, _, number = state.run.rpartition("-")
    good = plan == state.plan.id and number.isascii() and number.isdigit() and len(number) < 10
    return int(number) if good else None


def number_of(file: RunFile) -> int:
    """Return the number of the run among those of its plan."""
    number = _number(file.state)
    assert number is not None  # noqa: S101 (proved on reading)
    return number


def _cut(line: int) -> RunFileError:
    return RunFileError(f"the file ends too early, before or in line {line}", hint=_AGAIN)


def _damaged(line: int) -> RunFileError:
    return RunFileError(f"line {line} is damaged: it is not what was exported", hint=_AGAIN)
