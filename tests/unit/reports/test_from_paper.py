"""What was entered from paper is told as that: who did it, when by the paper, entered when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from api.reports.after_action import after_action
from drorch.model.plan import Service
from drorch.run import commands as cmd
from drorch.run.status import PaperResult
from tests.fakes.plans import vm
from tests.fakes.script import T0, Script
from tests.unit.reports.stage import recorded
from tests.unit.reports.test_whole import alone, words_of


def report() -> Any:
    """Tell of a night by the paper: one machine done at 00:03, one left out at 00:05."""
    shop = Service(id="shop", title={"en": "Shop", "it": "Negozio"}, steps=("db",))
    run = Script(vm("db"), vm("web", "db"), vm("mail"), services=(shop,))
    run.later(600)
    for step, minutes, result in (("web", 5, PaperResult.SKIPPED), ("db", 3, PaperResult.DONE)):
        told = {"done_at": T0 + timedelta(minutes=minutes), "done_by": "Maria Rossi"}
        run.send(cmd.Paper(by="anna", step=step, comment="by hand", result=result, **told))  # type: ignore[arg-type]
        run.later(60)
    run.heals("mail")
    return after_action(recorded(run))


@pytest.mark.parametrize(
    ("code", "head", "lines"),
    [
        (
            "en",
            "Entered from paper",
            (
                "db done Maria Rossi 00:03:00 00:11:00 anna by hand",
                "web skipped Maria Rossi 00:05:00 00:10:00 anna by hand",
                "Shop 00:11:00 (00:03:00 by the paper)",
                "healthy (from paper)",
            ),
        ),
        (
            "it",
            "Registrati dalla carta",
            (
                "db fatto Maria Rossi 00:03:00 00:11:00 anna by hand",
                "web saltato Maria Rossi 00:05:00 00:10:00 anna by hand",
                "Negozio 00:11:00 (00:03:00 sulla carta)",
                "in salute (dalla carta)",
            ),
        ),
    ],
)
def test_the_page_tells_who_did_what_by_the_paper(
    code: str, head: str, lines: tuple[str, ...]
) -> None:
    words = words_of(alone(report(), code))
    assert head in words
    for line in lines:
        assert line in words, line


def test_where_nothing_was_entered_there_is_no_such_part() -> None:
    run = Script(vm("db"))
    run.heals("db")
    assert "Entered from paper" not in words_of(alone(after_action(recorded(run)), "en"))
