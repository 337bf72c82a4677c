"""The report in its formats, and text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import httpx2
import pytest

from api.bootstrap import Application
from api.reports import steps_csv
from tests.api.desk import PLAN, Caller

HOSTILE = PLAN.replace("{vm: 101,", "{vm: 101, title: '=HYPERLINK(\"http://x\")',")


async def test_a_report_in_every_format(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store(HOSTILE)
    run = await api.start("simulate")
    await api.status(run, "succeeded")
    path = f"/api/v1/runs/{run}/report"
    told = (await http.get(path)).json()
    assert {s["id"] for s in told["steps"]} == {"san", "db", "web", "mail"}
    page = await http.get(path, params={"format": "html"})
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.lower().startswith("<!doctype html>")
    table = await http.get(path, params={"format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert table.headers["content-disposition"] == f'attachment; filename="{run}.csv"'
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["id"] for row in rows] == [s["id"] for s in told["steps"]]
    assert {row["run"] for row in rows} == {run}
    assert rows[1]["title"] == '\'=HYPERLINK("http://x")'
    wrong = await http.get(path, params={"format": "pdf"})
    assert wrong.status_code == 422


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_becomes_a_formula(first: str) -> None:
    report = {"run": {"id": "town-1"}, "steps": [{"id": "a", "error": f"{first}1+1", "took_s": -1}]}
    (row,) = csv.DictReader(io.StringIO(steps_csv(report)))
    assert row["error"] == f"'{first}1+1"
    assert row["took_s"] == "-1"  # a number is one
