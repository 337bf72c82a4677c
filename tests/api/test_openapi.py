"""The OpenAPI document is valid, complete and what the service really answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
from fastapi.openapi.models import OpenAPI
from jsonschema import Draft202012Validator

CONTRACT = {
    ("post", "/plans"), ("post", "/plans/validate"), ("get", "/plans"), ("get", "/plans/{plan}"),
    ("get", "/plans/{plan}/revisions"), ("get", "/plans/{plan}/revisions/{revision}"),
    ("get", "/plans/{plan}/graph"), ("post", "/runs"), ("get", "/runs"), ("get", "/runs/{run}"),
    ("get", "/runs/{run}/steps"), ("get", "/runs/{run}/steps/{step}"),
    ("get", "/runs/{run}/events"), ("post", "/runs/{run}/pause"), ("post", "/runs/{run}/resume"),
    ("post", "/runs/{run}/abort"), ("post", "/runs/{run}/steps/{step}/approve"),
    ("post", "/runs/{run}/steps/{step}/reject"), ("post", "/runs/{run}/steps/{step}/retry"),
    ("post", "/runs/{run}/steps/{step}/skip"), ("post", "/runs/{run}/steps/{step}/accept"),
    ("get", "/runs/{run}/report"), ("get", "/connectors"), ("post", "/connectors/{name}/check"),
    ("get", "/fleet"), ("get", "/services"), ("get", "/holds"), ("get", "/nodes"),
    ("put", "/holds/{connector}/{machine}"), ("delete", "/holds/{connector}/{machine}"),
}  # fmt: skip


async def document(http: httpx2.AsyncClient) -> Any:
    return (await http.get("/openapi.json")).json()


def calls(told: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in told["paths"].items():
        for method, call in methods.items():
            yield method, path, call


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_the_document_is_valid(http: httpx2.AsyncClient) -> None:
    told = await document(http)
    OpenAPI.model_validate(told)
    assert told["openapi"].startswith("3.1")
    schemas = told["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for reference in references(told):
        assert reference.removeprefix("#/components/schemas/") in schemas


async def test_every_call_of_the_contract_is_there_once(http: httpx2.AsyncClient) -> None:
    told = await document(http)
    found = {(method, path) for method, path, _ in calls(told)}
    assert {(m, f"/api/v1{p}") for m, p in CONTRACT} <= found
    names = [call["operationId"] for _, _, call in calls(told)]
    assert len(names) == len(set(names))


async def test_every_error_is_documented_as_a_problem(http: httpx2.AsyncClient) -> None:
    told = await document(http)
    for method, path, call in calls(told):
        for code, answer in call["responses"].items():
            if int(code) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (method, path)
    assert "HTTPValidationError" not in json.dumps(told)


async def test_the_reference_page_needs_nothing_from_elsewhere(http: httpx2.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    told = await document(http)
    for _, path, call in calls(told):
        assert f"<code>{path}</code>" in page
        assert f'id="{call["operationId"]}"' in page
    assert "//" not in page.replace("http://", "").replace("https://", "").split("<main", 1)[0]
    assert 'src="http' not in page and 'href="http' not in page
