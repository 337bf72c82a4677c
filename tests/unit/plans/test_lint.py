"""What the lint says, and that it is silent on a good plan."""

from __future__ import annotations

import pytest

import plans
from tests.unit.plans.sources import HEAD

GOOD = "owner: desk\ncontacts: {desk: {phone: '1'}}\n"
CHECKED = "verify: [{tcp: 'h:1'}]"

CASES = [
    ("steps:\n  a: {vm: 1}\n", "7:3 no-check"),
    ("steps:\n  a: {vm: 1, verify: [{icmp: h}]}\n", "7:14 weak-check"),
    ("steps:\n  a: {gate: {}}\n", "7:3 gate-without-check"),
    (f"steps:\n  a: {{vm: 1, {CHECKED}, expect: 1h}}\n", "7:38 expect-too-long"),
    ("steps: {a: {vm: 1, verify: [{tcp: {host: h, port: 1, stable: 1h}}]}}\n", "6:29 check-too-"),
    (f"steps: {{a: {{vm: 1, {CHECKED}, retry: {{wait: 5m}}}}}}\n", "6:44 retry-wait"),
    (
        "steps: {a: {vm: 1, verify: [{http: {url: 'https://h/', verify: false}}]}}\n",
        "6:29 certificate-not-checked",
    ),
    (
        (
            "steps:\n  a: {vm: 1, verify: [{redis: h}]}\n"
            f"  b: {{vm: 2, {CHECKED}, depends_on: [{{step: a, when: started}}]}}\n"
        ),
        "8:38 database-only-started",
    ),
    (
        f"rto: 90s\nsteps: {{a: {{vm: 1, {CHECKED}}}, b: {{vm: 2, {CHECKED}, depends_on: [a]}}}}\n",
        "6:1 rto-too-short",
    ),
    (
        (
            f"services:\n  s: {{steps: [b], rto: 90s}}\n"
            f"steps: {{a: {{vm: 1, {CHECKED}}}, b: {{vm: 2, {CHECKED}, depends_on: [a]}}}}\n"
        ),
        "7:19 rto-too-short",
    ),
    (f"steps: {{a: {{vm: db01, {CHECKED}}}}}\n", "6:13 name-as-id"),
    (f"groups: {{g: {{}}}}\nsteps: {{a: {{vm: 1, {CHECKED}}}}}\n", "6:10 empty-group"),
    (
        f"services: {{t: {{external: true}}}}\nsteps: {{a: {{vm: 1, {CHECKED}}}}}\n",
        "6:12 external-unwatched",
    ),
    (
        f"services: {{t: {{external: true, steps: [a]}}}}\nsteps: {{a: {{vm: 1, {CHECKED}}}}}\n",
        "6:16 external-with-steps",
    ),
    (
        (
            f"services: {{t: {{steps: [a]}}}}\nsteps:\n  a: {{vm: 1, {CHECKED}}}\n"
            f"  b: {{vm: 2, {CHECKED}}}\n"
        ),
        "9:3 no-service",
    ),
    (
        f"limits: {{per_connector: {{pev: 1}}}}\nsteps: {{a: {{vm: 1, {CHECKED}}}}}\n",
        "6:26 unused-limit",
    ),
]


def advice(text: str) -> list[str]:
    loaded = plans.read(text, "p")
    return [
        f"{p.line}:{p.column} {p.code}"
        for p in plans.lint(loaded.plan, loaded.positions, loaded.file)
    ]


@pytest.mark.parametrize(("body", "expected"), CASES, ids=[case[1] for case in CASES])
def test_each_rule_alone(body: str, expected: str) -> None:
    found = advice(HEAD + GOOD + body)
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_nobody_to_ask() -> None:
    body = "contacts: {c: {}}\nsteps: {a: {manual: Ready?}}\n"
    assert advice(HEAD + body) == [
        "2:1 nobody-to-ask",
        "4:12 contact-unreachable",
        "5:13 nobody-to-ask",
    ]


def test_started_dependencies_shorten_what_a_service_needs() -> None:
    # b begins as soon as a has started, so both take one minute together.
    body = (
        "services: {s: {steps: [b], rto: 90s}}\n"
        f"steps: {{a: {{vm: 1, {CHECKED}}}, "
        f"b: {{vm: 2, {CHECKED}, depends_on: [{{step: a, when: started}}]}}}}\n"
    )
    assert advice(HEAD + GOOD + body) == []


def test_without_positions_advice_stands_at_the_beginning() -> None:
    plan = plans.load(HEAD + GOOD + "steps: {a: {vm: 1}}\n")
    assert [(p.line, p.column, p.code) for p in plans.lint(plan)] == [(1, 1, "no-check")]


def test_advice_says_what_to_do() -> None:
    plan = plans.load(HEAD + "contacts: {c: {}}\ngroups: {g: {}}\nsteps: {a: {vm: 1}}\n")
    assert len(plans.lint(plan)) == 4
    assert all(problem.message and problem.hint for problem in plans.lint(plan))
