"""Brings the counts of every test together, from whichever worker, and tells them at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chaos import tally

_KEY = "chaos tally"


@pytest.fixture(autouse=True)
def _counted(record_property: Callable[[str, Any], None]) -> Iterator[None]:
    tally.TALLY.clear()
    yield
    record_property(_KEY, tally.lines())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    told = [
        line
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for key, lines in report.user_properties
        if key == _KEY
        for line in lines
    ]
    if told:
        terminalreporter.section("disasters: what was done, and what came of it")
        for line in tally.summary(tally.total(told)):
            terminalreporter.write_line(line)
