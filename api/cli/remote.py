"""Reads and decides through the REST API of a running service."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from api.access import WantedToken
from api.cli.access import Given, Json, RunList
from api.cli.exits import ServiceUnreachableError, WrongUseError
from api.locale import _
from api.on_paper import Tick
from drorch.errors import CommandRejectedError, ConfigurationError, DrorchError, RunNotFoundError
from drorch.model import moment

_PATIENCE = 30.0
_PAGE = 500


class ServiceRefusedError(DrorchError):
    """The service answered, and the answer is no."""

    code = "service-refused"


class RemoteAccess:
    """Implements `api.cli.access.Access` over HTTP."""

    def __init__(self, server: str, token: str | None, ca: Path | None = None) -> None:
        if not server.startswith(("http://", "https://")):
            raise ConfigurationError(
                _("--server {address} is no address", address=repr(server)),
                hint=_("write it with its scheme: --server http://127.0.0.1:8140"),
            )
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        base = server.rstrip("/") + "/api/v1"
        self._server = server
        self._client = httpx2.AsyncClient(
            base_url=base, headers=headers, timeout=_PATIENCE, verify=_trust(ca) if ca else True
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def runs(self, limit: int | None) -> RunList:
        items: list[Json] = []
        async for page in self._pages("/runs", limit=min(limit or _PAGE, _PAGE)):
            items += page["items"]
            if limit is not None and len(items) >= limit:
                return RunList(items[:limit], bool(page["next"] or items[limit:]))
        return RunList(items, more=False)

    async def run(self, run: str) -> Json:
        told: Json = await self._call("GET", f"/runs/{_part(run)}")
        return {**told, "steps": await self._all(f"/runs/{_part(run)}/steps")}

    async def events(self, run: str, after: int) -> list[Json]:
        return await self._all(f"/runs/{_part(run)}/events", after=after)

    async def decide(self, given: Given) -> bool:
        where = f"/runs/{_part(given.run)}"
        if given.approval is not None:
            told = await self._call("POST", f"{where}/approve", json=asdict(given.approval))
            return not (isinstance(told, dict) and told.get("taken") is False)
        if given.step is not None:
            where += f"/steps/{_part(given.step)}"
        told = await self._call("POST", f"{where}/{given.verb}", json={"comment": given.comment})
        return not (isinstance(told, dict) and told.get("taken") is False)

    async def paper(self, run: str, tick: Tick) -> bool:
        body = {"done_at": moment.stamp(tick.done_at), "by": tick.by}
        body |= {"result": tick.result, "comment": tick.comment}
        where = f"/runs/{_part(run)}/steps/{_part(tick.step)}/paper"
        told = await self._call("POST", where, json=body)
        return not (isinstance(told, dict) and told.get("taken") is False)

    async def plan(self, name: str) -> tuple[int, str]:
        """Return the newest revision of a stored plan, and its source."""
        stored: Json = await self._call("GET", f"/plans/{_part(name)}")
        return int(stored["revision"]), str(stored["source"])

    async def report(self, run: str) -> Json:
        report: Json = await self._call(
            "GET", f"/runs/{_part(run)}/report", params={"format": "json"}
        )
        return report

    async def holds(self) -> list[Json]:
        return await self._all("/holds")

    async def hold(self, connector: str, machine: str, reason: str) -> list[Json]:
        where = f"/holds/{_part(connector)}/{_part(machine)}"
        held: Json = await self._call("PUT", where, json={"reason": reason})
        return [held, *held.get("also", ())]

    async def release(self, connector: str, machine: str) -> bool:
        try:
            await self._call("DELETE", f"/holds/{_part(connector)}/{_part(machine)}")
        except RunNotFoundError:
            return False
        return True

    async def connectors(self) -> list[Json]:
        return await self._all("/connectors")

    async def check(self, name: str) -> Json:
        checked: Json = await self._call("POST", f"/connectors/{_part(name)}/check")
        return checked

    async def nodes(self) -> list[Json]:
        return await self._all("/nodes")

    async def halted(self) -> Json:
        told: Json = await self._call("GET", "/halt")
        return told

    async def halt(self, reason: str) -> Json:
        told: Json = await self._call("POST", "/halt", json={"reason": reason})
        return told

    async def lift(self) -> None:
        await self._call("DELETE", "/halt")

    async def tokens(self) -> list[Json]:
        return await self._all("/tokens")

    async def make_token(self, wanted: WantedToken) -> Json:
        body = {
            "name": wanted.name,
            "role": str(wanted.role),
            "expires_in_days": wanted.days,
            "addresses": list(wanted.addresses),
        }
        told: Json = await self._call("POST", "/tokens", json=body)
        return told

    async def revoke_token(self, key: str) -> None:
        await self._call("DELETE", f"/tokens/{_part(key)}")

    async def audit(self, limit: int) -> list[Json]:
        items: list[Json] = []
        async for page in self._pages("/audit", limit=min(limit, _PAGE)):
            items += page["items"]
            if len(items) >= limit:
                break
        return items[:limit]

    async def verify_audit(self, *, checkpoint: bool) -> Json:
        if checkpoint:
            raise WrongUseError(
                _("a check-point is written on the machine of the service"),
                hint=_("its engine does so by itself; leave --checkpoint away"),
            )
        told: Json = await self._call("GET", "/audit/verify")
        return told

    async def fleet(self) -> Json:
        items: list[Json] = []
        away: dict[str, Json] = {}
        async for page in self._pages("/fleet"):
            items += page["items"]
            away |= {line["connector"]: line for line in page["away"]}
        return {"items": items, "away": list(away.values()), "next": None}

    async def _all(self, where: str, **given: Any) -> list[Json]:
        return [item async for page in self._pages(where, **given) for item in page["items"]]

    async def _pages(self, where: str, **given: Any) -> AsyncIterator[Json]:
        """Yield every page of a list."""
        cursor: str | None = None
        while True:
            params = {"limit": _PAGE, **given} | ({"cursor": cursor} if cursor else {})
            page = await self._call("GET", where, params=params)
            yield page
            cursor = page.get("next")
            if not cursor:
                return

    async def public_status(self) -> Json:
        told: Json = await self._call("GET", f"{self._server.rstrip('/')}/status.json")
        return told

    async def _call(self, method: str, where: str, **given: Any) -> Any:
        try:
            answer = await self._client.request(method, where, **given)
        except httpx2.TransportError as error:
            why = str(error) or type(error).__name__
            if "CERTIFICATE_VERIFY_FAILED" in why:
                raise _not_trusted(self._server, why) from error
            raise ServiceUnreachableError(
                _("the service at {server} does not answer: {why}", server=self._server, why=why),
                hint=_("is 'drorch serve' running there? Without --server the local store is used"),
            ) from error
        if answer.is_success:
            return answer.json() if answer.content else {}
        raise _refusal(answer)


def _trust(ca: Path) -> ssl.SSLContext:
    """Return a context that trusts *ca* alone, or raise `ConfigurationError`."""
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # an SSLError is one
        raise ConfigurationError(
            _("--ca {file} cannot be used: {why}", file=ca, why=error.strerror or error),
            hint=_(
                "it is the authority's certificate in PEM: authority.pem in the folder tls of the "
                "service's data_dir"
            ),
        ) from error


def _not_trusted(server: str, why: str) -> ServiceUnreachableError:
    why = why.rpartition("CERTIFICATE_VERIFY_FAILED]")[2].rsplit(" (_ssl", 1)[0]
    return ServiceUnreachableError(
        _(
            "the certificate of {server} is not trusted, and nothing was sent:{why}",
            server=server,
            why=why.removeprefix(" certificate verify failed:"),
        ),
        hint=_(
            "give its authority: --ca FILE or DRORCH_CA (authority.pem in the folder tls of the "
            "service's data_dir; 'drorch tls show' there prints the fingerprint to compare)"
        ),
    )


def _part(value: str) -> str:
    return quote(value, safe="")


def _refusal(answer: httpx2.Response) -> DrorchError:
    """Return the error behind a problem document."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    why = str(problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}")
    hint = str(problem.get("hint") or "")
    match answer.status_code:
        case 404:
            return RunNotFoundError(why, hint=hint or _("'drorch runs' lists the runs"))
        case 409:
            return CommandRejectedError(why, hint=hint)
        case 401 | 403:
            return WrongUseError(why, hint=hint or _("give a token: --token or DRORCH_TOKEN"))
        case 400 | 422:
            return WrongUseError(why, hint=hint)
        case 502 | 503 | 504:
            return ServiceUnreachableError(why, hint=hint)
    return ServiceRefusedError(why, hint=hint)
