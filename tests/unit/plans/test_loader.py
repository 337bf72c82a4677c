"""What a plan means once it is loaded."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

import plans
from drorch.errors import PlanError, PlanNotFoundError
from drorch.model.plan import (
    Callout,
    Dependency,
    Gate,
    MachineRef,
    Manual,
    OnFailure,
    OnUnhealthy,
    OpeningHours,
    RetryPolicy,
    Wait,
    When,
)
from tests.unit.plans.sources import HEAD, load, problems, step

MINUTE = timedelta(minutes=1)


def test_what_is_not_said_is_built_in() -> None:
    plan = load("steps: {a: {vm: 101}}\n")
    only = plan.steps[0]
    assert (plan.id, plan.title, plan.rto, plan.owner) == ("tried", "tried", None, None)
    assert (plan.limits.parallel, plan.limits.per_host) == (20, None)
    assert (only.title, only.start_timeout, only.verify_timeout) == ("a", 3 * MINUTE, 10 * MINUTE)
    assert (only.retry, only.expect) == (RetryPolicy(), MINUTE)
    assert (only.on_unhealthy, only.on_failure) == (OnUnhealthy.VERIFY, OnFailure.ASK)


def test_step_overrides_group_overrides_defaults() -> None:
    plan = load(
        "groups: {g: {expect: 2m, on_failure: stop, connector: kvm}}\n"
        "steps:\n"
        "  a: {vm: 1, group: g, expect: 3m}\n"
        "  b: {vm: 2, group: g, connector: lab}\n"
        "  c: {vm: 3}\n",
        "drorch: 1\nplan: p\ndefaults: {connector: pve, expect: 5m, on_failure: continue}\n",
    )
    a, b, c = plan.steps
    assert (a.expect, a.on_failure, str(a.machine)) == (3 * MINUTE, OnFailure.STOP, "kvm/1")
    assert (b.expect, str(b.machine)) == (2 * MINUTE, "lab/2")
    assert (c.expect, c.on_failure, str(c.machine)) == (5 * MINUTE, OnFailure.CONTINUE, "pve/3")


def test_retry_is_merged_key_by_key() -> None:
    plan = load(
        "groups: {g: {retry: {wait: 7s}}}\nsteps: {a: {vm: 1, group: g, retry: {attempts: 9}}}\n",
        "drorch: 1\nplan: p\ndefaults: {connector: c, retry: {max_wait: 2m, wait: 1s}}\n",
    )
    assert plan.steps[0].retry == RetryPolicy(
        attempts=9, wait=timedelta(seconds=7), max_wait=2 * MINUTE
    )


@pytest.mark.parametrize(
    ("written", "machine"),
    [
        ("101", MachineRef(connector="pve", id="101")),
        ('"101"', MachineRef(connector="pve", id="101")),
        ("kvm/101", MachineRef(connector="kvm", id="101")),
        ("kvm/Web-01", MachineRef(connector="kvm", id="Web-01")),
        ("{connector: kvm, id: 7}", MachineRef(connector="kvm", id="7")),
        ("{id: 7}", MachineRef(connector="pve", id="7")),
        ("{connector: kvm, name: File Server}", MachineRef(connector="kvm", name="File Server")),
    ],
)
def test_machines(written: str, machine: MachineRef) -> None:
    assert step(f"vm: {written}").machine == machine


def test_actions() -> None:
    body = "contacts: {desk: {}}\nsteps:\n  tried: "
    asked = load(body + "{manual: {ask: Ready?, assign: desk, timeout: 30m}}\n").steps[0]
    assert asked.action == Manual(ask="Ready?", assign="desk", timeout=30 * MINUTE)
    assert step("manual: Ready?").action == Manual(ask="Ready?")
    assert step("wait: 1h30m").action == Wait(duration=90 * MINUTE)
    assert step("gate: {}").action == Gate()
    assert step("callout: reset, with: {zone: a.example, ttl: 300, hard: true}").action == Callout(
        name="reset", arguments={"zone": "a.example", "ttl": "300", "hard": "true"}
    )


def test_members_inherit_the_dependencies_of_their_group() -> None:
    plan = load(
        "groups: {core: {}, db: {depends_on: [core, x]}}\n"
        "steps:\n"
        "  x: {vm: 1, group: core}\n"
        "  y: {vm: 2, group: db, depends_on: [{step: x, when: started}, x, x]}\n"
    )
    assert plan.steps[1].depends_on == (
        Dependency(target="x", when=When.STARTED),
        Dependency(target="x"),
        Dependency(target="core"),
    )
    assert [g.depends_on for g in plan.groups] == [
        (),
        (Dependency(target="core"), Dependency(target="x")),
    ]


def test_services() -> None:
    plan = load(
        "services:\n"
        "  mail:\n"
        "    title: Mail\n"
        "    steps: [a, a]\n"
        "    tier: 1\n"
        '    open_by: {time: "08:15", days: [mon, fri], closed: [2026-12-25]}\n'
        "    fallback: {it: Telefono}\n"
        "  web: {steps: [a], open_by: 07:30}\n"
        "  taxes: {external: true, verify: [{http: https://taxes.example/}]}\n"
        "steps: {a: {vm: 1}}\n"
    )
    mail, web, taxes = plan.services
    assert mail.title == {"it": "Mail", "en": "Mail"}
    assert mail.fallback == {"it": "Telefono"}
    assert mail.open_by == OpeningHours(time="08:15", days=("mon", "fri"), closed=("2026-12-25",))
    assert (mail.steps, mail.tier, mail.external) == (("a",), 1, False)
    assert web.open_by == OpeningHours(time="07:30")
    assert (web.tier, web.title) == (3, {"it": "web", "en": "web"})
    assert taxes.external
    assert taxes.verify[0].params["url"] == "https://taxes.example/"


def test_limits_contacts_groups() -> None:
    plan = load(
        "owner: desk\n"
        "rto: 4h\n"
        "limits: {parallel: 3, per_connector: {pve: 2}, per_host: 1}\n"
        'contacts: {desk: {name: Desk, phone: "+39 1", email: d@a.example}, b: {}}\n'
        "groups: {g: {title: G, limits: {parallel: 4}}}\n"
        "steps: {a: {vm: 1, contact: b}}\n"
    )
    assert (plan.limits.parallel, dict(plan.limits.per_connector)) == (3, {"pve": 2})
    assert plan.limits.per_host == 1
    assert plan.rto == timedelta(hours=4)
    assert [(c.id, c.name, c.phone, c.email) for c in plan.contacts] == [
        ("desk", "Desk", "+39 1", "d@a.example"),
        ("b", "b", "", ""),
    ]
    assert (plan.groups[0].title, plan.groups[0].parallel) == ("G", 4)
    assert plan.steps[0].contact == "b"


def test_the_digest_names_the_bytes() -> None:
    raw = (HEAD + "steps: {a: {vm: 1, title: città}}\n").encode()
    assert plans.load(raw).digest == hashlib.sha256(raw).hexdigest()
    assert plans.load(raw.decode()).digest == plans.load(raw).digest


def test_positions_of_what_was_loaded() -> None:
    loaded = plans.read(HEAD + "steps:\n  a:\n    vm: 1\n    verify:\n      - icmp: h.example\n")
    find = loaded.positions.find
    assert find("steps", "a") == (5, 3)
    assert find("steps", "a", "verify", 0) == (8, 9)
    assert find("steps", "a", "verify", 7) == (7, 5)
    assert find("steps", "a", "contact") == (5, 3)
    assert find("services", "x") == (1, 1)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(HEAD + "steps: {a: {vm: 1}}\n")
    assert plans.load_file(path).id == "tried"
    path.write_text("drorch: 1\n")
    with pytest.raises(plans.InvalidPlanError, match=str(path)):
        plans.load_file(path)
    with pytest.raises(PlanNotFoundError, match="there is no file"):
        plans.load_file(tmp_path / "absent.yaml")
    with pytest.raises(PlanError, match="cannot be read"):
        plans.load_file(tmp_path)


def test_a_step_that_is_wrong_inside_is_still_known() -> None:
    assert problems("steps:\n  a: 5\n  b: {vm: 1, depends_on: [a]}\n") == ["5:6 wrong-type"]


def test_missing_keys_are_told_beside_other_problems() -> None:
    assert problems("title: []\nsteps: {a: {vm: c/1}}\n", "drorch: 1\n") == [
        "1:1 missing-key",
        "2:8 wrong-type",
    ]


def test_a_refused_connector_is_told_once() -> None:
    assert problems("defaults: {conector: pve}\nsteps: {a: {vm: 1}}\n", "drorch: 1\nplan: p\n") == [
        "3:12 unknown-key"
    ]
