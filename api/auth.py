"""Who asks, and whether they may: each route declares what it takes, and nothing is open by chance.

A route names one of the dependencies at the end of this module. `Doorkeeper` finds out who asks
(a token, a browser's session, or anybody where the service runs open on loopback).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from api.callers import anybody
from api.schemas.access_problems import CsrfError
from api.schemas.problem_types import InvalidRequestError, KeyInUseError, KeyReusedError
from drorch.access.people import session_hash
from drorch.access.principal import Caller, Means, Principal, RequestKey
from drorch.access.roles import Permission
from drorch.access.tokens import AuthenticationNeededError, id_of
from drorch.errors import DrorchError
from drorch.journal.gate import Gate
from drorch.journal.ledger import EffectKnownError, Known, known_request
from drorch.journal.store import Store
from drorch.model.moment import stamp

COOKIE = "__Host-drorch"
PLAIN_COOKIE = "drorch"
"""Over plain HTTP, on loopback alone, browsers take no ``__Host-`` cookie."""
CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NOTED_EVERY = 60.0
"""Seconds between two notes that a token or a session was used."""
_OPEN_KNOWN = 1.0
_LONGEST_KEY = 200
_TAKEN_FOR = 300.0
_STILL_KNOWN = 3.0
"""Seconds for which a look at who listens is believed."""
_MOST_TAKEN = 10_000


class Doorkeeper:
    """Finds out who asks. One for the whole HTTP side."""

    def __init__(self, store: Store, gate: Gate, *, may_be_open: bool) -> None:
        self._store = store
        self._gate = gate
        self._may_be_open = may_be_open
        self._open: tuple[float, bool] = (float("-inf"), False)
        self._noted: dict[str, float] = {}
        self._taken: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._asked: OrderedDict[tuple[str, str], tuple[float, asyncio.Task[DrorchError | None]]]
        self._asked = OrderedDict()
        self.busy: set[tuple[str, str]] = set()
        """Keys of requests that are being worked on in this process."""

    async def is_open(self) -> bool:
        """Tell whether anybody may do anything: on loopback, with no token and no person."""
        now = time.monotonic()
        at, known = self._open
        if now - at > _OPEN_KNOWN:
            known = self._may_be_open and await self._gate.is_open()
            self._open = (now, known)
        return known

    def known(self, headers: Headers) -> str | None:
        """Return whose the token or session in *headers* is if it was taken lately, else None.

        Nothing is decided by it but whose share of requests this one belongs to. It is the same
        for all that one token or person sends, in however many spellings.
        """
        word = credential(headers)
        at, identity = self._taken.get(word, (float("-inf"), "")) if word else (float("-inf"), "")
        return identity if time.monotonic() - at < _TAKEN_FOR else None

    def _remember(self, headers: Headers, principal: Principal) -> None:
        if word := credential(headers):
            self._taken.pop(word, None)
            self._taken[word] = time.monotonic(), principal.identity
        if len(self._taken) > _MOST_TAKEN:
            self._taken.popitem(last=False)

    def forget(self) -> None:
        """Look anew whether the service is open: a token or a person was made."""
        self._open = (float("-inf"), False)

    async def principal(self, request: HTTPConnection) -> Principal:
        """Return who asks. Raises `AuthenticationNeededError`, `CsrfError`."""
        address = request.client.host if request.client else ""
        given = request.headers.getlist("authorization")
        if given:
            found = await self._by_token(given, address)
            self._remember(request.headers, found)
            return found
        # Over TLS the plain name is not believed: a neighbouring site could have set it.
        cookie = request.cookies.get(COOKIE if request.url.scheme == "https" else PLAIN_COOKIE)
        if cookie and (whose := await self._by_session(request, cookie, address)):
            self._remember(request.headers, whose)
            return whose
        if await self.is_open():
            return anybody("api", address)
        raise AuthenticationNeededError(
            "this takes a token or a log-in",
            hint="send 'Authorization: Bearer drt_...' (the command line: DRORCH_TOKEN); "
            "'drorch token create' on the machine of the service makes one. With a browser, "
            "go to /login",
        )

    async def still(self, request: HTTPConnection) -> None:
        """Raise as soon as who sent *request* would be refused.

        For streams, which stay: one look, a few seconds old at most, is for all that one has open.
        """
        now = time.monotonic()
        while self._asked and now - next(iter(self._asked.values()))[0] > _STILL_KNOWN:
            self._asked.popitem(last=False)
        key = (credential(request.headers), request.client.host if request.client else "")
        if key not in self._asked:
            self._asked[key] = now, asyncio.create_task(self._refusal(request))
        refusal = await asyncio.shield(self._asked[key][1])
        if refusal is not None:
            raise refusal

    async def _refusal(self, request: HTTPConnection) -> DrorchError | None:
        try:
            await self.principal(request)
        except DrorchError as refusal:
            return refusal
        return None

    async def _by_token(self, given: list[str], address: str) -> Principal:
        scheme, _, word = given[0].partition(" ")
        key = id_of(word.strip()) if scheme.lower() == "bearer" and len(given) == 1 else None
        if key is None:
            raise AuthenticationNeededError(
                "the Authorization header holds no token of drorch",
                hint="it is 'Bearer drt_...'; was a part of the token lost on the way?",
            )
        token = await self._gate.token(key)
        why = token.refusal(word.strip(), address, datetime.now(UTC)) if token else "unknown"
        if token is None or why:
            raise AuthenticationNeededError(
                why if token else "the token is not known",
                hint="'drorch token list' on the machine of the service shows those that are "
                "taken, 'drorch token create' makes another",
            )
        await self._note(key, address)
        return _from(token.principal, address)

    async def _note(self, key: str, address: str) -> None:
        now = time.monotonic()
        if now - self._noted.get(key, float("-inf")) > _NOTED_EVERY:
            self._noted[key] = now
            used = {key: (stamp(datetime.now(UTC)), address)}
            await self._gate.note_use(used)

    async def _by_session(
        self, request: HTTPConnection, cookie: str, address: str
    ) -> Principal | None:
        digest = session_hash(cookie)
        found = await self._gate.session(digest)
        now = time.time()
        if found is None or found[0].is_over(now) or found[1].disabled_at is not None:
            return None
        session, person = found
        request.scope.setdefault("state", {})["csrf"] = session.csrf
        request.scope["state"]["session"] = digest
        if request.scope["method"] not in _SAFE:
            await _refuse_forged(request, session.csrf)
        if now - session.seen > _NOTED_EVERY:
            await self._gate.see_session(digest, now)
        return _from(person.principal, address)

    async def request_key(
        self, request: Request, principal: Principal
    ) -> tuple[RequestKey | None, bool]:
        """Return the ``Idempotency-Key`` of a request that changes something.

        Raises `EffectKnownError` when the request has been answered or had its effect, and
        `KeyReusedError`, `KeyInUseError`.
        """
        keys = request.headers.getlist("idempotency-key")
        if not keys or request.method != "POST":
            return None, False
        given = keys[0] if len(keys) == 1 else ""  # of two nobody knows which was meant
        if not (0 < len(given) <= _LONGEST_KEY and given.isascii() and given.isprintable()):
            raise InvalidRequestError(
                f"a request has one Idempotency-Key of 1 to {_LONGEST_KEY} printable characters",
                hint="a random UUID is a good one",
            )
        fingerprint = _fingerprint(request, await request.body())
        key = RequestKey(caller=principal.identity, key=given, fingerprint=fingerprint)
        if (key.caller, key.key) in self.busy:
            raise KeyInUseError(
                "the first request with this Idempotency-Key is still being worked on",
                hint="ask again in a second",
            )
        self.busy.add((key.caller, key.key))
        try:
            known = await self._store.reading(lambda c: known_request(c, key))
            _refuse_known(known, fingerprint)
        except BaseException:
            self.busy.discard((key.caller, key.key))
            raise
        return key, True


def _refuse_known(known: Known | None, fingerprint: str) -> None:
    if known is None:
        return
    if known.fingerprint != fingerprint:
        raise KeyReusedError(
            "this Idempotency-Key was sent with another request",
            hint="make a new key for a new request",
        )
    raise EffectKnownError(known)


def named(caller: Caller, by: str) -> Caller:
    """Return *caller* as the record calls them where they also say who they are.

    Where nobody is authenticated their word is all there is; a token or a person stays what it
    is, with what was said beside it.
    """
    name = caller.by.name
    if not by or by == name:
        return caller
    told = by if caller.by.means is Means.OPEN else f"{name} (as {by})"
    return replace(caller, by=replace(caller.by, name=told))


def _from(principal: Principal, address: str) -> Principal:
    return replace(principal, address=address)


async def _refuse_forged(request: HTTPConnection, csrf: str) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    if not given and isinstance(request, Request) and _is_form(request.headers):
        given = _field(await request.body(), b"csrf")
    if not hmac.compare_digest(given.encode(), csrf.encode()):
        raise CsrfError(
            "the page that asked for this is not one of ours, or it is old",
            hint="load the page again and repeat what you did",
        )


def credential(headers: Headers) -> str:
    """Return a word that stands for what *headers* say who asks; empty where they do not."""
    told = headers.get("authorization") or headers.get("cookie", "")
    return hashlib.sha256(told.encode()).hexdigest() if told else ""


def _is_form(headers: Headers) -> bool:
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    return kind == "application/x-www-form-urlencoded"


def _field(body: bytes, name: bytes) -> str:
    for part in body.split(b"&"):
        key, _, value = part.partition(b"=")
        if key == name:
            return value.decode("ascii", "replace")
    return ""


def _fingerprint(request: Request, body: bytes) -> str:
    told = f"{request.method}\n{request.url.path}\n{request.url.query}"
    return hashlib.sha256(told.encode() + b"\n" + body).hexdigest()


class May:
    """A dependency: lets those pass who have *permission*, and gives them as a `Caller`.

    None: everybody passes, and nobody is asked who they are.
    """

    def __init__(self, permission: Permission | None) -> None:
        self.permission = permission

    async def __call__(self, request: Request) -> AsyncIterator[Caller]:
        keeper: Doorkeeper = request.app.state.doorkeeper
        principal = await keeper.principal(request)
        state = request.scope.setdefault("state", {})
        state["principal"] = principal
        if self.permission is not None:
            principal.allow(self.permission)
        key, fresh = await keeper.request_key(request, principal)
        state["request_key"] = key
        try:
            yield Caller(by=principal, request_id=state.get("request_id", ""), key=key)
        finally:
            if key is not None and fresh:
                keeper.busy.discard((key.caller, key.key))


class Open:
    """A dependency that says: everybody may, logged in or not."""

    permission = None

    async def __call__(self) -> None:
        await asyncio.sleep(0)


Rehearser = Annotated[Caller, Depends(May(Permission.REHEARSE))]
"""Whoever may start and abort rehearsals; a live run takes more, which the operation asks for."""
Decider = Annotated[Caller, Depends(May(Permission.DECIDE))]
Pauser = Annotated[Caller, Depends(May(Permission.PAUSE))]
Holder = Annotated[Caller, Depends(May(Permission.HOLD))]
Publisher = Annotated[Caller, Depends(May(Permission.PUBLISH))]
Halter = Annotated[Caller, Depends(May(Permission.HALT))]
Approver = Annotated[Caller, Depends(May(Permission.APPROVE_LIVE))]
Releaser = Annotated[Caller, Depends(May(Permission.RELEASE))]
Auditor = Annotated[Caller, Depends(May(Permission.READ_AUDIT))]
Planner = Annotated[Caller, Depends(May(Permission.STORE_PLANS))]
Keyholder = Annotated[Caller, Depends(May(Permission.MANAGE_ACCESS))]
Lifter = Annotated[Caller, Depends(May(Permission.LIFT_HALT))]
EXAMINING = Depends(May(Permission.CHECK_CONNECTORS))
VALIDATING = Depends(May(Permission.VALIDATE_PLANS))
READING = Depends(May(Permission.READ))
"""For routes that read and do not need to know who asks."""
PUBLIC = Depends(Open())
"""For the few addresses that everybody may read: health, the reference, the log-in itself."""
