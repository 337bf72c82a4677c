"""Small runs whose every second was counted by hand, and their reports."""

from __future__ import annotations

from typing import Any

from api.reports.after_action import Known, after_action
from drorch.model.plan import Contact
from drorch.ports.journal import Recorded
from drorch.run import commands as cmd
from drorch.run.status import FailureKind
from tests.fakes.plans import TWICE, vm
from tests.fakes.script import Script

DESK = Contact(id="desk", name="On-call desk")
VENDOR = Contact(id="vendor", name="Vendor of the registry")


def recorded(run: Script) -> list[Recorded]:
    return [Recorded(seq=n, at=event.at, event=event) for n, event in enumerate(run.log, start=1)]


def report(run: Script, known: Known | None = None) -> Any:
    return after_action(recorded(run), known=known or Known())


def step(told: Any, name: str) -> Any:
    return next(one for one in told["steps"] if one["id"] == name)


def of_kind(lines: Any, kind: str) -> list[Any]:
    return [line for line in lines if line["kind"] == kind]


def unhealthy(run: Script, name: str) -> None:
    attempt = run.own(name).attempt
    kind = FailureKind.UNHEALTHY
    run.send(cmd.ReportFailure(step=name, attempt=attempt, kind=kind, detail="not well"))


def vendor_story() -> Script:
    """Tell of one machine that its vendor had to be asked about.

    0 ordered, 10 refused, 15 ordered again, 20 runs, 50 its checks fail for good and the vendor
    is asked, 350 the desk has it tried again, 380 healthy. A second machine: 0 to 40.
    """
    run = Script(
        vm("web", contact="vendor", retry=TWICE),
        vm("mail"),
        contacts=(DESK, VENDOR),
        owner="desk",
    )
    run.later(10)
    run.fails("web")
    run.later(5)  # the back-off
    run.later(5)
    run.runs("web")
    run.later(20)
    run.heals("mail")
    run.later(10)
    run.fails("web")
    run.later(300)
    run.retry("web")
    run.later(30)
    run.heals("web")
    return run
