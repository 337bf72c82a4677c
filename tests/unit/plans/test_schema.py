"""The published JSON Schema: fresh, complete, and of one mind with the loader."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from plans import catalog, schema
from tests.unit.plans.sources import HEAD, plain

BAD = Path(__file__).parents[2] / "bad_plans"
VALIDATOR = jsonschema.Draft202012Validator(schema.json_schema())
# Broken in a way that one key alone shows, so that an editor can underline it.
SEEN_BY_EDITORS = (
    "03-a-list",
    "39-no-version",
    "40-newer-version",
    "42-no-steps",
    "46-bad-plan-id",
    "47-unknown-key",
    "48-reserved",
    "49-secret",
    "50-secret-in-url",
    "51-no-action",
    "52-two-actions",
    "54-step-is-a-number",
    "56-bad-step-id",
    "69-machine-id-and-name",
    "71-depends-on-text",
    "72-when",
    "73-with-without-callout",
    "75-manual-without-question",
    "76-durations",
    "77-choices",
    "78-retry",
    "79-limits",
    "81-check-kinds",
    "82-verify-is-a-mapping",
    "83-ports",
    "86-check-keys",
    "88-service-without-steps",
    "90-service-values",
    "91-opening",
)


def refused(document: Any) -> bool:
    return not VALIDATOR.is_valid(document)


def test_the_file_in_the_repository_is_not_stale() -> None:
    text = schema.FILE.read_text(encoding="utf-8")
    assert text == schema.schema_text(), (
        "write it again: python -c 'from plans import schema; "
        "schema.FILE.write_text(schema.schema_text())'"
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.json_schema())


@pytest.mark.parametrize("name", catalog.examples())
def test_examples_validate(name: str) -> None:
    VALIDATOR.validate(plain(catalog.example(name).read_bytes()))


@pytest.mark.parametrize("name", SEEN_BY_EDITORS)
def test_broken_plans_are_refused(name: str) -> None:
    assert refused(plain((BAD / f"{name}.yaml").read_bytes()))


def _keys(part: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = []
    if isinstance(part, dict):
        for name, value in part.get("properties", {}).items():
            found.append((f"{path}/{name}", value))
        for name, value in part.items():
            found += _keys(value, f"{path}/{name}")
    return found


def test_every_key_is_described() -> None:
    keys = _keys(schema.json_schema())
    assert len(keys) > 100
    assert [path for path, value in keys if len(value.get("description", "")) < 5] == []


def test_references_lead_somewhere_and_everything_is_used() -> None:
    text = json.dumps(schema.json_schema())
    for name in schema.json_schema()["$defs"]:
        assert f'"#/$defs/{name}"' in text


def test_a_mutated_step_is_refused() -> None:
    good = plain(HEAD + "steps: {a: {vm: 1, verify: [{tcp: 'h:1'}], expect: 5m}}\n")
    VALIDATOR.validate(good)
    for key, value in {
        "vm": [1],
        "expect": "5 minutes",
        "verify": [{"tcp": "h"}],
        "on_failure": "explode",
        "depends_on": [1],
        "title": "",
    }.items():
        bad = copy.deepcopy(good)
        bad["steps"]["a"][key] = value
        assert refused(bad), key
