"""The record of acts in the database: written with the effect, in the same transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, LargeBinary, cast, insert, select, text

from drorch.access.principal import Act, RequestKey
from drorch.access.record import FIRST, Chain, Filed, Line, follow, sealed
from drorch.errors import DrorchError
from drorch.journal.access_tables import AuditRow, RequestRow
from drorch.model.moment import stamp

audit_ = AuditRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
requests_ = RequestRow.__table__  # type: ignore[attr-defined]

_LOCK = 0x61756474
"""The number of the lock under which entries are added on PostgreSQL; SQLite has one writer."""


class EffectKnownError(DrorchError):
    """The request with this key has had its effect already. Not told to anybody: answered."""

    code = "effect-known"

    def __init__(self, known: Known) -> None:
        super().__init__("this request has had its effect already")
        self.known = known


class Known(NamedTuple):
    """A request that had its effect; ``status`` is None while its answer is not stored."""

    fingerprint: str
    effect: Mapping[str, Any]
    status: int | None
    headers: Mapping[str, str]
    body: str


def recorded(work: Callable[[Connection], Any], act: Act) -> Callable[[Connection], Any]:
    """Return *work* that also writes *act* into the record, and remembers the request's key.

    Raises `EffectKnownError` inside when the key has been used: then nothing is done.
    """

    def whole(connection: Connection) -> Any:
        alone(connection)
        if act.key is not None and (known := known_request(connection, act.key)):
            raise EffectKnownError(known)
        result = work(connection)
        name = act.object(result) if callable(act.object) else act.object
        after = act.after(result) if callable(act.after) else act.after
        for action in (act.action, *act.also):
            write(connection, replace(act, action=action), name, after)
        if act.key is not None:
            done = {"action": act.action, "object": name}
            told = {"by": act.by.name, "reason": act.reason}
            _remember(connection, act.key, {**done, **told})
        return result

    return whole


def alone(connection: Connection) -> None:
    """Keep others who would add an entry waiting until this transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def write(connection: Connection, act: Act, name: str, after: Mapping[str, Any] | None) -> None:
    """Add the entry of *act* about the object *name*."""
    last = select(audit_.c.seq, audit_.c.hash).order_by(audit_.c.seq.desc()).limit(1)
    before = connection.execute(last).first()
    seq, previous = (before.seq + 1, before.hash) if before is not None else (1, FIRST)
    line = sealed(seq, previous, _content(act, name, after))
    row = {"seq": seq, "entry": line.entry, "hash": line.hash}
    connection.execute(insert(audit_), {**row, **line.filed._asdict()})


def _content(act: Act, name: str, after: Mapping[str, Any] | None) -> dict[str, Any]:
    by = act.by
    content = {
        "at": stamp(datetime.now(UTC)),
        "monotonic": round(time.monotonic(), 3),
        "actor": {"identity": by.identity, "name": by.name, "role": str(by.role)},
        "address": by.address,
        "action": act.action,
        "object": name,
        "before": act.before,
        "after": after,
        "reason": act.reason,
        "approval": act.approval,
        "request_id": act.request_id,
    }
    return {key: _plain(value) for key, value in content.items()}


def _plain(value: Any) -> Any:
    """Return *value* as any reader of JSON gets it; what JSON cannot hold must not stop an act."""
    text_ = json.dumps(value, ensure_ascii=False, default=str)
    return json.loads(text_.encode("utf-8", "replace"), parse_constant=str)


def known_request(connection: Connection, key: RequestKey) -> Known | None:
    """Return what is known of the request with *key*."""
    where = (requests_.c.caller == key.caller) & (requests_.c.key == key.key)
    row = connection.execute(select(requests_).where(where)).first()
    if row is None:
        return None
    return Known(
        row.fingerprint, json.loads(row.effect), row.status, json.loads(row.headers), row.body
    )


def _remember(connection: Connection, key: RequestKey, effect: Mapping[str, Any]) -> None:
    row = {
        "caller": key.caller,
        "key": key.key,
        "fingerprint": key.fingerprint,
        "at": stamp(datetime.now(UTC)),
        "effect": json.dumps(effect),
        "headers": "{}",
        "body": "",
    }
    connection.execute(insert(requests_), row)


def keep_answer(
    connection: Connection, key: RequestKey, status: int, headers: Mapping[str, str], body: str
) -> None:
    """Store the answer to a request, with or without an effect of its own."""
    if known_request(connection, key) is None:
        _remember(connection, key, {})
    where = (requests_.c.caller == key.caller) & (requests_.c.key == key.key)
    told = {"status": status, "headers": json.dumps(dict(headers)), "body": body}
    connection.execute(requests_.update().where(where).values(**told))


def forget_requests(connection: Connection, before: str) -> None:
    """Forget the answers to requests from before that time."""
    connection.execute(requests_.delete().where(requests_.c.at < before))


def chain(connection: Connection) -> Chain:
    """Follow the whole record in one consistent view."""
    words = (audit_.c.entry, audit_.c.hash, *(audit_.c[name] for name in Filed._fields))
    query = select(audit_.c.seq, *_as_written(connection, words)).order_by(audit_.c.seq)
    rows = connection.execution_options(yield_per=1000).execute(query)
    return follow(_line(*row) for row in rows)


def _as_written(connection: Connection, words: Iterable[ColumnElement[Any]]) -> Sequence[Any]:
    """Return what selects *words* also where somebody has put bytes there that are no text."""
    if connection.dialect.name == "postgresql":
        return list(words)  # which takes nothing else
    return [cast(word, LargeBinary) for word in words]


def _line(seq: int, *words: bytes | str) -> Line:
    entry, hash_, *others = (_decoded_text(word) for word in words)
    return Line(seq, entry, hash_, Filed(*others))


def _decoded_text(word: bytes | str) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else word


def filed_at(connection: Connection, seq: int) -> str | None:
    """Return when an entry was written, as it says; None where there is none."""
    (word,) = _as_written(connection, (audit_.c.at,))
    found = connection.execute(select(word).where(audit_.c.seq == seq)).scalar()
    return None if found is None else _decoded_text(found)


def head(connection: Connection) -> tuple[str, int, str]:
    """Return the hash of the first entry, how many there are, and the hash of the last."""
    first = connection.execute(select(audit_.c.hash).where(audit_.c.seq == 1)).scalar() or FIRST
    last = select(audit_.c.seq, audit_.c.hash).order_by(audit_.c.seq.desc()).limit(1)
    row = connection.execute(last).first()
    return (first, row.seq, row.hash) if row is not None else (FIRST, 0, FIRST)


def entries(
    connection: Connection,
    *,
    before: int | None,
    limit: int,
    actor: str = "",
    action: str = "",
    object: str = "",  # noqa: A002 (the record's own word)
) -> Sequence[tuple[int, Mapping[str, Any], str]]:
    """Return entries, newest first: number, content, hash."""
    words = _as_written(connection, (audit_.c.entry, audit_.c.hash))
    query = select(audit_.c.seq, *words).order_by(audit_.c.seq.desc())
    if before is not None:
        query = query.where(audit_.c.seq < before)
    for column, wanted in ((audit_.c.action, action), (audit_.c.object, object)):
        if wanted:
            query = query.where(column == wanted)
    if actor:
        query = query.where(audit_.c.actor == actor)
    rows = connection.execute(query.limit(limit))
    return [(seq, _decoded(_decoded_text(entry)), _decoded_text(h)) for seq, entry, h in rows]


def _decoded(entry: str) -> Mapping[str, Any]:
    """Return the content of an entry; one that was spoiled is shown as it stands."""
    try:
        content = json.loads(entry)
        json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        content = None
    return content if isinstance(content, dict) else {"unreadable": entry}
