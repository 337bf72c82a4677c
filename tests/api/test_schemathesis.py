"""Fuzzed by schemathesis: no server error, no answer that is not documented or not of its shape.

``DRORCH_EXAMPLES`` is how many cases of each kind an operation gets; ``make schemathesis`` sets it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from schemathesis import BaseSchema, engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events

from drorch.access.roles import Role
from tests.api.desk import PLAN, YAML
from tests.api.fuzzed import Served, served

EXAMPLES = int(os.environ.get("DRORCH_EXAMPLES", "0"))
pytestmark = [pytest.mark.process, pytest.mark.timeout(7200 if EXAMPLES else 240)]
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
WITH_TOKEN = (
    "ignored_auth", "missing_required_header", "negative_data_rejection", "use_after_free",
    "ensure_resource_availability",
)  # fmt: skip
"""What can be told of somebody who has to show who they are."""
OTHERS = ("positive_data_acceptance", "allow_header_conformance")
"""Not true here: what is well-formed may be stale, held or unknown; addresses may fit two calls."""
REFUSED = [
    "400",
    "401",
    "403",
    "404",
    "405",
    "409",
    "412",
    "413",
    "415",
    "422",
    "429",
    "431",
    "5xx",
]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("closed")) as running:
        headers = {"Authorization": f"Bearer {running.tokens[Role.ADMIN]}"}
        prepare(running, headers)
        yield running


def prepare(running: Served, headers: Mapping[str, str]) -> None:
    """Store a plan and let there be runs of it, so that there is something to ask for."""
    with httpx2.Client(base_url=f"{running.url}/api/v1", headers=dict(headers)) as http:
        told = http.post("/plans", content=PLAN, headers=YAML)
        assert told.status_code == 201, told.text
        for mode in ("simulate", "live"):
            body = {"plan": "town", "mode": mode, "confirm": "town"}
            assert http.post("/runs", json=body).status_code == 202
        assert http.put("/holds/sim/103", json={"reason": "x"}).status_code == 200


def fuzz(
    running: Served,
    headers: Mapping[str, str],
    *,
    coverage: bool,
    examples: int,
    without: str = "",
    also: Sequence[str] = (),
) -> Counter[int]:
    """Let schemathesis ask everything, and return how many answers had which status."""
    phases: dict[str, Any] = {
        "examples": {"enabled": True},
        "coverage": {"enabled": coverage},
        "fuzzing": {"enabled": True},
        "stateful": {"enabled": coverage or bool(EXAMPLES)},
    }
    config = SchemathesisConfig.from_dict(
        {
            "base-url": running.url,
            "headers": dict(headers),
            "workers": 1,
            "continue-on-failure": True,
            "request-timeout": 20,
            "phases": phases,
            "generation": {
                "max-examples": examples,
                "deterministic": not EXAMPLES,
                "with-security-parameters": False,
            },
            "checks": {
                **{name: {"enabled": True} for name in CHECKS},
                **{name: {"enabled": name in also} for name in (*WITH_TOKEN, *OTHERS)},
                "negative_data_rejection": {
                    "enabled": "negative_data_rejection" in also,
                    "expected-statuses": REFUSED,
                },
            },
        }
    )
    schema: BaseSchema = schemathesis.openapi.from_dict(running.document, config=config)
    if without:
        schema = schema.exclude(operation_id=without)
    statuses: Counter[int] = Counter()
    failures: set[str] = set()
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            failures.add(f"{getattr(event, 'label', '')}: {getattr(event, 'info', event)}")
        if isinstance(event, events.ScenarioFinished):
            for key, seen in event.recorder.interactions.items():
                if seen.response is not None:
                    statuses[seen.response.status_code] += 1
                    failures |= set(_failed(event, key))
    assert not failures, f"{len(failures)} failures\n" + "\n\n".join(sorted(failures)[:20])
    return statuses


def _failed(event: events.ScenarioFinished, key: str) -> Iterator[str]:
    for check in event.recorder.checks.get(key, ()):
        if check.failure_info is not None and not _says_not_ready(event, key):
            failure = check.failure_info.failure
            seen = event.recorder.interactions[key]
            asked = f"{seen.request.method} {seen.request.uri}"
            body = (seen.response.content or b"")[:300] if seen.response else b""
            yield f"{event.label}: {check.name}: {failure.message[:600]}\n  {asked}\n  {body!r}"


def _says_not_ready(event: events.ScenarioFinished, key: str) -> bool:
    """Tell whether it is the documented answer of a service whose engine is played by a test."""
    answer = event.recorder.interactions[key].response
    return answer is not None and b'"code":"not-ready"' in (answer.content or b"")


@pytest.mark.parametrize("role", Role)
def test_every_role(closed: Served, role: Role) -> None:
    headers = {"Authorization": f"Bearer {closed.tokens[role]}"}
    thorough = bool(EXAMPLES) or role is Role.ADMIN
    statuses = fuzz(closed, headers, coverage=thorough, examples=EXAMPLES or 2, also=WITH_TOKEN)
    assert not [code for code in statuses if code >= 500 and code not in (502, 503)]
    assert statuses[200], statuses
    assert bool(statuses[403]) == (role is not Role.ADMIN), statuses


def test_nobody(closed: Served) -> None:
    statuses = fuzz(closed, {}, coverage=bool(EXAMPLES), examples=EXAMPLES or 2)
    # 413, 422: a body that is too large, or not even text, is refused before it matters who asks;
    # 503: see above.
    assert set(statuses) <= {200, 401, 405, 413, 422, 503}, statuses
    assert statuses[401] > 10 * statuses[422]


def test_open(tmp_path: Path) -> None:
    with served(tmp_path, is_open=True) as running:
        prepare(running, {})
        examples = EXAMPLES or 2
        # The first token that is made closes the service.
        statuses = fuzz(
            running, {}, coverage=bool(EXAMPLES), examples=examples, without="create_token"
        )
    assert statuses[200], statuses
    assert not statuses[401], statuses
