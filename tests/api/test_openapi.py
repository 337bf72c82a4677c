"""The OpenAPI document is valid, complete and what the service really answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi.openapi.models import OpenAPI
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

from api.app import openapi_document
from api.schemas.answer_examples import ANSWERS
from api.schemas.common import In
from api.schemas.examples import EXAMPLES
from scripts.documents import OPENAPI

CONTRACT = {
    ("post", "/plans"), ("post", "/plans/validate"), ("get", "/plans"), ("get", "/plans/{plan}"),
    ("get", "/plans/{plan}/revisions"), ("get", "/plans/{plan}/revisions/{revision}"),
    ("get", "/plans/{plan}/graph"), ("post", "/runs"), ("get", "/runs"), ("get", "/runs/{run}"),
    ("get", "/runs/{run}/steps"), ("get", "/runs/{run}/steps/{step}"),
    ("get", "/events"),
    ("get", "/runs/{run}/events"), ("post", "/runs/{run}/pause"), ("post", "/runs/{run}/resume"),
    ("post", "/runs/{run}/abort"), ("post", "/runs/{run}/steps/{step}/approve"),
    ("post", "/runs/{run}/steps/{step}/reject"), ("post", "/runs/{run}/steps/{step}/retry"),
    ("post", "/runs/{run}/steps/{step}/skip"), ("post", "/runs/{run}/steps/{step}/accept"),
    ("get", "/runs/{run}/report"), ("get", "/connectors"), ("post", "/connectors/{name}/check"),
    ("get", "/fleet"), ("get", "/services"), ("get", "/holds"), ("get", "/nodes"),
    ("put", "/holds/{connector}/{machine}"), ("delete", "/holds/{connector}/{machine}"),
    ("post", "/runs/{run}/approve"), ("put", "/services/{service}/notice"), ("get", "/audit"),
    ("get", "/audit/verify"), ("get", "/tokens"), ("post", "/tokens"), ("post", "/halt"),
    ("delete", "/tokens/{token}"), ("delete", "/halt"),
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


def nodes(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in ("example", "examples", "default"):
                yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


def test_the_published_document_is_that_of_the_code() -> None:
    published = json.loads(OPENAPI.read_text(encoding="utf-8"))
    assert published == json.loads(json.dumps(openapi_document())), "make schema writes it anew"


async def test_the_service_serves_the_published_document(http: httpx2.AsyncClient) -> None:
    assert await document(http) == json.loads(OPENAPI.read_text(encoding="utf-8"))


def test_an_independent_validator_takes_it() -> None:
    validate(openapi_document())


def test_what_belongs_to_later_is_absent() -> None:
    paths = json.dumps(list(openapi_document()["paths"]))  # type: ignore[call-overload]
    assert not [word for word in ("forecast", "readiness", "power", "drills") if word in paths]


def test_every_string_number_and_list_is_bounded() -> None:
    told = openapi_document()
    for node in nodes({"components": told["components"], "paths": told["paths"]}):
        match node.get("type"):
            case "string":
                assert {"maxLength", "enum", "const"} & node.keys(), node
            case "array":
                assert "maxItems" in node, node
            case "integer" | "number":
                assert {"minimum", "exclusiveMinimum"} & node.keys(), node
                assert "maximum" in node, node


@pytest.mark.parametrize("shape", In.__subclasses__(), ids=lambda shape: shape.__name__)
def test_what_is_taken_is_bounded_by_the_code_itself(shape: type[In]) -> None:
    for node in nodes(shape.model_json_schema()):
        if node.get("type") == "string" and not {"enum", "const", "format"} & node.keys():
            assert "maxLength" in node, node
        if node.get("type") == "array":
            assert "maxItems" in node, node
        if node.get("type") in ("integer", "number"):
            assert {"minimum", "maximum"} <= node.keys(), node


def test_examples_are_there_and_of_their_shape() -> None:
    told: Any = openapi_document()
    schemas = told["components"]["schemas"]
    examples = {**EXAMPLES, **ANSWERS}
    assert set(examples) <= set(schemas)
    for name, example in examples.items():
        root = {"$ref": f"#/components/schemas/{name}", "components": told["components"]}
        Draft202012Validator(root, format_checker=FormatChecker()).validate(example)
    for _, path, call in calls(told):
        for kind, body in call.get("requestBody", {}).get("content", {}).items():
            schema = body["schema"]
            names = [o["$ref"].rsplit("/", 1)[-1] for o in nodes(schema) if "$ref" in o]
            assert kind == "application/yaml" or set(names) <= set(EXAMPLES), path
            assert "example" in body or names, path
        for code, answer in call["responses"].items():
            body = answer.get("content", {}).get("application/json")
            if body is not None and code.startswith("2"):
                shape = body["schema"]["$ref"].rsplit("/", 1)[-1]
                assert schemas[shape]["examples"], (path, shape)


def test_each_call_documents_what_may_happen_to_it() -> None:
    told: Any = openapi_document()
    tags = {tag["name"] for tag in told["tags"] if tag["description"]}
    for method, path, call in calls(told):
        expected = {"403", "429", "431", "500"}
        if call["security"]:
            expected |= {"401", "503"}
        if method == "post" and call["security"]:
            expected |= {"409"}
            assert "Idempotency-Key" in {p["name"] for p in call["parameters"]}, path
        if "requestBody" in call:
            expected |= {"413", "422"}
        if "application/yaml" in call.get("requestBody", {}).get("content", {}):
            expected |= {"415"}
        if any(p["name"].lower() == "if-match" for p in call.get("parameters", ())):
            expected |= {"412"}
        assert expected <= set(call["responses"]), (method, path)
        assert set(call["tags"]) <= tags, path


def test_no_generator_gets_one_name_for_two_shapes() -> None:
    """They call what has no name of its own after its owner: a Notice's text is a NoticeText."""
    told: Any = openapi_document()
    schemas = told["components"]["schemas"]
    for name, schema in schemas.items():
        for member, inner in schema.get("properties", {}).items():
            made = name + "".join(part.capitalize() for part in member.split("_"))
            named = any("$ref" in node for node in nodes(inner))
            assert named or made not in schemas, f"{name}.{member}"


READ = [path for path, methods in openapi_document()["paths"].items() if "get" in methods]  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", [*READ, "/", "/docs", "/problems", "/static/style.css"])
async def test_head_is_answered_as_get_without_a_body(http: httpx2.AsyncClient, path: str) -> None:
    address = re.sub(r"\{\w+\}", "none", path)
    head = await http.head(address)
    assert head.content == b""
    if address != "/api/v1/events":  # it would stream for ever
        got = await http.get(address)
        assert (head.status_code, head.headers["content-type"]) == (
            got.status_code,
            got.headers["content-type"],
        )
    else:
        assert head.status_code == 200
