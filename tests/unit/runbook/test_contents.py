"""A runbook has everything of its plan, in order, for every action and every kind of check."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api.locale import LANGUAGES, speaking
from api.runbook.checks import _KINDS, Around, by_hand
from api.runbook.contents import Runbook, limits, runbook
from api.runbook.page import as_html
from api.runbook.text import PAGE, WIDTH, as_text
from connectors.checks.kinds import KINDS
from drorch.model.graph import Graph
from drorch.model.plan import CheckSpec, Contact, MachineRef, Plan
from drorch.run import commands as cmd
from drorch.run.state import RunState
from drorch.run.status import PaperResult
from plans import load_file
from plans.catalog import example, examples
from tests.fakes.plans import callout, finished, gate, question, started, vm, wait
from tests.fakes.plans import plan as plan_of
from tests.fakes.script import T0, Script
from tests.repo.tree import ROOT

AT = datetime(2026, 11, 22, 2, 40, tzinfo=UTC)
AROUND = Around(
    types={"pve": "proxmox", "kvm": "libvirt", "sim": "simulated", "own": "invented"},
    callouts={"reset-dns": {"command": ["/usr/local/bin/reset-dns", "--zone", "{zone}"]}},
)
PIACENZA = load_file(example("piacenza"))
WHOLE = ROOT / "tests/unit/plans/whole_language.yaml"


def book_of(plan: Plan, state: RunState | None = None, **more: Any) -> Runbook:
    return runbook(plan, at=AT, zone="Europe/Rome", around=AROUND, state=state, **more)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", examples())
def test_every_step_is_there_once_in_the_order_of_waves(name: str, language: str) -> None:
    plan = load_file(example(name))
    with speaking(language):
        book = book_of(plan)
        text, page = as_text(book), as_html(book)
    assert [[e.step for e in wave] for wave in book.waves] == Graph(plan).waves()
    places = [page.index(f"<h3>{e.step.id}</h3>") for wave in book.waves for e in wave]
    assert places == sorted(places)
    for wave in book.waves:
        for entry in wave:
            assert text.count(f"] {entry.step.id}: ") == 1
            assert page.count(f'<span class="code">{entry.code}</span>') == 1
            assert f" {entry.code} " in text
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert all(len(one.splitlines()) <= PAGE + 1 for one in text.split("\f"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_people_services_and_limits_of_the_story_are_on_paper(language: str) -> None:
    with speaking(language):
        book = book_of(PIACENZA, revision=3)
        text, page = " ".join(as_text(book).split()), as_html(book)
    for contact in PIACENZA.contacts:
        assert contact.phone in text
        assert page.count(contact.phone) >= 1
    for service in PIACENZA.services:
        assert service.title[language] in text
        if service.fallback:
            assert service.fallback[language] in text
    assert PIACENZA.digest in text
    assert PIACENZA.digest in page
    assert book.simulated
    assert {"en": "SIMULATED", "it": "SIMULAZIONE"}[language] in page
    assert {"en": "at most 7 on one node", "it": "al massimo 7 su uno stesso nodo"}[
        language
    ] in text
    assert {"en": "piacenza revision 3", "it": "piacenza revisione 3"}[language] in page


def test_a_file_needs_nothing_else() -> None:
    page = as_html(book_of(PIACENZA))
    assert "<style>" in page
    assert "@page" in page
    for foreign in ("<script", "<link", "src=", "@import", "url("):
        assert foreign not in page


def test_limits_are_what_a_person_does() -> None:
    plan = plan_of(vm("a"), parallel=20, per_connector={"pve": 12}, per_host=4)
    told = limits(plan)
    assert "at most 20 machines" in told[0]
    assert told[1:3] == [
        "Of these at most 12 on pve.",
        "And at most 4 on one node: keep a tally for each node.",
    ]


def test_every_action_has_words() -> None:
    plan = plan_of(
        vm("db", connector="pve"),
        vm("kvm", connector="kvm"),
        vm("other", connector="elsewhere"),
        vm("invented", connector="own"),
        gate("net", started("db")),
        question("q", finished("net"), contact="anna"),
        wait("w", 90, "q"),
        callout("c", "w"),
    )
    plan = replace(plan, contacts=(Contact(id="anna", name="Anna", phone="+39 1"),))
    entries = {e.step.id: e for wave in book_of(plan).waves for e in wave}
    assert all(entry.what for entry in entries.values())
    assert "qm start" in entries["db"].command
    assert "pct start" in entries["db"].command
    assert "virsh start" in entries["kvm"].command
    assert not entries["other"].command
    assert "what elsewhere is, is not known here" in entries["other"].advice
    assert not entries["invented"].command
    assert entries["invented"].advice
    assert entries["q"].call == "Anna, +39 1"
    assert entries["w"].expect == "1 min 30 s"
    assert "begun is enough" in entries["net"].needs[0]
    assert "however it ended" in entries["q"].needs[0]
    assert entries["c"].command


def test_every_kind_of_check_has_words_and_a_command_that_a_shell_reads() -> None:
    assert {*_KINDS, "agent", "callout"} == {*KINDS, "agent"}
    seen = set()
    machine = MachineRef(connector="pve", id="101")
    for plan in (
        *(load_file(example(n)) for n in examples()),
        load_file(WHOLE),
    ):
        for check in (check for step in plan.steps for check in step.verify):
            look = by_hand(check, machine, AROUND)
            assert look.expect
            assert look.command, check
            if check.kind != "callout":
                assert shlex.split(look.command)
            seen.add(check.kind)
    assert seen == {*_KINDS, "agent", "callout"}


def test_a_password_is_named_and_never_there() -> None:
    plan = load_file(example("checks"))
    looks = [look for wave in book_of(plan).waves for entry in wave for look in entry.looks]
    assert {look.secret for look in looks} >= {"anagrafe-probe", "shop-probe", "files-probe"}
    assert "password: the one called anagrafe-probe" in as_text(book_of(plan))


@pytest.mark.parametrize(
    ("kind", "machine", "command"),
    [
        ("pve", "101", "qm agent 101 ping"),
        ("kvm", "web 1", "virsh qemu-agent-command 'web 1' '{\"execute\":\"guest-ping\"}'"),
        ("elsewhere", "101", ""),
    ],
)
def test_the_agent_is_asked_as_its_hypervisor_does(kind: str, machine: str, command: str) -> None:
    check = CheckSpec(kind="agent", name="agent")
    look = by_hand(check, MachineRef(connector=kind, id=machine), AROUND)
    assert look.command == command
    assert look.expect


def test_hostile_hosts_are_quoted() -> None:
    check = CheckSpec(kind="tcp", name="t", params={"host": "a; rm -rf /", "port": 1})
    assert by_hand(check, None, AROUND).command == "nc -vz -w 5 'a; rm -rf /' 1"


def test_a_run_has_its_ticks_on_paper() -> None:
    run = Script(vm("db", title="Database"), vm("web", "db"), vm("mail"), vm("fax", "web"))
    run.later(60)
    run.heals("db")
    run.send(
        cmd.Paper(by="anna", step="mail", done_at=T0, done_by="Maria", result=PaperResult.DONE)
    )
    book = book_of(run.state.plan, run.state, revision=1)
    text, page = as_text(book), as_html(book)
    assert "[x] db:" in text
    assert "[x] mail:" in text
    assert "is healthy 01:00 by Maria" in text
    assert "[ ] web:" in text
    assert "[ ] fax:" in text
    assert page.count('class="step settled"') == 2
    assert "Run test-1" in text
    assert "test-1" in page


def test_hostile_text_stays_text() -> None:
    evil = "<script>alert(1)</script>\x1b[2J\u202e"
    plan = plan_of(question("q", contact="x", title=evil))
    plan = replace(plan, title=evil, contacts=(Contact(id="x", name=evil),))
    run = Script(*plan.steps)
    run.later(60)
    run.send(cmd.Paper(by=evil, step="q", done_at=T0, done_by=evil, comment=evil))
    for book in (book_of(plan), book_of(run.state.plan, run.state)):
        text, page = as_text(book), as_html(book)
        assert "<script" not in page
        for bad in ("\x1b", "\u202e"):
            assert bad not in text
            assert bad not in page


def test_a_big_plan_is_quick_enough_to_print() -> None:
    plan = plan_of(*(vm(f"vm-{n}") for n in range(2000)))
    book = book_of(plan)
    assert len(book.codes) == 2000
    assert as_text(book).count("\n[ ] ") == 2000
