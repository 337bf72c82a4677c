"""Bodies that nobody would send, to every call of runs, decisions, holds and plans."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from api.app import create_app
from api.bootstrap import Application
from connectors.simulated import fleet as fleets
from connectors.simulated.server import simulating
from tests.api.desk import BASE, FLEET, PLAN, YAML, settings
from tests.fuzz.plans import ODD_WORDS, odd_value, plan_case

FUZZED = ("/runs", "/plans", "/holds", "/services")
"""Calls whose bodies are fuzzed; all that change something below these."""
_KNOWN = ("town", "san", "db", "web", "mail", "sim", "101", "103", "registry", "1")


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    schema: Mapping[str, Any] | None
    documented: frozenset[str]


@dataclass(slots=True)
class Desk:
    """A service in this process, a run that waits for a person, and what may be called."""

    http: httpx2.AsyncClient
    calls: list[Call]
    runs: list[str]

    async def judge(self, seed: int) -> str:
        """Send the request of *seed*; only what the document of the API tells may come back."""
        chance = random.Random(f"body {seed}")
        call = chance.choice(self.calls)
        content, headers = _body(chance, call, seed)
        path = _path(chance, call.path, self.runs)
        answer = await self.http.request(call.method, path, content=content, headers=_raw(headers))
        told = f"{call.method} {path[:200]} {content[:200]!r} {headers}: {answer.status_code} "
        told += answer.text[:300]
        assert str(answer.status_code) in call.documented, told
        assert answer.status_code < 500 or answer.status_code == 503, told
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json", told
            assert json.loads(answer.content)["status"] == answer.status_code
        elif call.path.endswith("/runs"):
            self.runs.append(answer.json()["id"])
            del self.runs[1:-20]
        return str(answer.status_code)


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    """Open a service with a plan and a run over a simulated fleet."""
    async with (
        simulating(fleets.build(FLEET), 0, seed=1) as simulator,
        Application(settings(folder / "data", simulator.url)) as application,
    ):
        app = create_app(application)
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
            document = (await http.get("/openapi.json")).json()
            stored = await http.post("/api/v1/plans", content=PLAN, headers=YAML)
            assert stored.status_code == 201, stored.text
            wanted = {"plan": "town", "mode": "live", "confirm": "town"}
            run = await http.post("/api/v1/runs", json=wanted)
            assert run.status_code == 202, run.text
            yield Desk(http, list(_calls(document)), [run.json()["id"]])


def _calls(document: Mapping[str, Any]) -> Iterator[Call]:
    parts = document["components"]["schemas"]
    for path, item in document["paths"].items():
        if not path.removeprefix("/api/v1").startswith(FUZZED):
            continue
        for method, operation in item.items():
            if method in ("post", "put", "patch", "delete"):
                content = operation.get("requestBody", {}).get("content", {})
                schema = content.get("application/json", {}).get("schema")
                whole = None if schema is None else _whole(schema, parts)
                yield Call(method.upper(), path, whole, frozenset(operation["responses"]))


def _whole(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object that *schema* is about, with its references followed."""
    for one in (schema, *schema.get("anyOf", ())):
        if "$ref" in one:
            found: Mapping[str, Any] = parts[one["$ref"].rsplit("/", 1)[-1]]
            return found
    return schema


def _path(chance: random.Random, template: str, runs: list[str]) -> str:
    parts = []
    for part in template.split("/"):
        if not part.startswith("{"):
            parts.append(part)
        elif part == "{run}" and chance.random() < 0.8:
            parts.append(chance.choice(runs))
        elif chance.random() < 0.7:
            parts.append(chance.choice(_KNOWN))
        else:
            odd = chance.choice([word for word in ODD_WORDS if word not in ("", "...")])
            parts.append(quote(odd, safe="").replace("..", "%2E%2E"))
    return "/".join(parts)


def _body(chance: random.Random, call: Call, seed: int) -> tuple[bytes, dict[str, str]]:
    headers = {"Content-Type": "application/json"}
    if call.path.endswith(("/plans", "/plans/validate")):
        headers = dict(YAML)
        content = plan_case(seed)
    else:
        content = _json(chance, call.schema or {})
    if chance.random() < 0.1:
        kinds = ("text/plain", "application/x-www-form-urlencoded", "", "application/json; x=\xe9")
        headers["Content-Type"] = chance.choice(kinds)
    if chance.random() < 0.2:
        headers["Idempotency-Key"] = chance.choice(("key", "k" * 300, "", f"key-{seed}", "\x7f"))
    return content, headers


def _raw(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode("latin-1") for name, value in headers.items()}


def _json(chance: random.Random, schema: Mapping[str, Any]) -> bytes:
    """Return a body that is nearly right, or wrong in shape, or no JSON at all."""
    value: Any = {
        name: _nearly(chance, part)
        for name, part in schema.get("properties", {}).items()
        if chance.random() < 0.75
    }
    if chance.random() < 0.2:
        value[chance.choice(ODD_WORDS)] = odd_value(chance)
    if chance.random() < 0.08:
        value = odd_value(chance)
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.15:
        at = chance.randrange(len(text) + 1)
        many = chance.choice((1, 1, 500, 30_000))
        text = (
            text[:at] + chance.choice(('"', "[", '{"a":', "1e999", "NaN", "\\ud800", "\0")) * many
        )
        text += chance.choice(("", text[at:]))
    return text.encode("utf-8", "surrogatepass")


def _nearly(chance: random.Random, schema: Mapping[str, Any]) -> Any:
    if chance.random() < 0.25:
        return odd_value(chance)
    if "enum" in schema:
        return chance.choice(schema["enum"])
    kinds = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))}
    if "integer" in kinds:
        return chance.choice((1, 2, 0, -1, 2**31, 2**63, 10**40))
    if "array" in kinds:
        return [chance.choice((*_KNOWN, odd_value(chance))) for _ in range(chance.randrange(5))]
    if "boolean" in kinds:
        return chance.random() < 0.5
    if "object" in kinds:
        return {"it": "x", "en": chance.choice(ODD_WORDS)}
    return chance.choice(("town", "simulate", "dry-run", "live", "a comment", *_KNOWN))
