"""The report in its formats, and text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from hashlib import sha256

import httpx2
import pytest

from api.bootstrap import Application
from api.reports import steps_csv
from api.reports.page import style_source
from drorch.journal import carrying
from tests.api.desk import PLAN, Caller
from tests.lab_gate import need_module

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
    wrong = await http.get(path, params={"format": "docx"})
    assert wrong.status_code == 422


async def test_a_report_as_pdf(http: httpx2.AsyncClient, api: Caller, engine: Application) -> None:
    need_module("weasyprint", why="the report as PDF", install="pip install weasyprint")
    await api.store(HOSTILE)
    run = await api.start("simulate")
    await api.status(run, "succeeded")
    made = await http.get(f"/api/v1/runs/{run}/report", params={"format": "pdf"})
    assert made.headers["content-type"] == "application/pdf"
    assert made.content.startswith(b"%PDF-")


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_becomes_a_formula(first: str) -> None:
    report = {"run": {"id": "town-1"}, "steps": [{"id": "a", "error": f"{first}1+1", "took_s": -1}]}
    (row,) = csv.DictReader(io.StringIO(steps_csv(report)))
    assert row["error"] == f"'{first}1+1"
    assert row["took_s"] == "-1"  # a number is one


async def ended(api: Caller) -> str:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    await api.post(f"/runs/{run}/steps/san/approve", json={"comment": "green"})
    await api.status(run, "succeeded")
    return run


async def test_the_report_can_be_matched_with_the_record(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    run = await ended(api)
    record = (await api.get(f"/runs/{run}/report"))["record"]
    exported = await carrying.exported(engine.store, run, now=engine.clock.now(), version="1")
    lines = exported.split(b"\n")[1:-2]
    assert record["journal"]["seq"] == len(lines)
    assert record["journal"]["sha256"] == sha256(b"\n".join(lines) + b"\n").hexdigest()
    newest = (await api.get("/audit", params={"limit": 1}))["items"][0]
    assert (record["audit"]["entries"], record["audit"]["head"]) == (newest["seq"], newest["hash"])


async def test_the_report_compares_with_the_run_before(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    first = await ended(api)
    assert (await api.get(f"/runs/{first}/report"))["earlier"] == []
    again = await api.start()
    told = await api.get(f"/runs/{again}/report")
    assert [(run["run"], run["mode"]) for run in told["earlier"]] == [(first, "live")]
    (registry,) = told["services"]
    assert registry["earlier"][0]["rta_s"] > 0


@pytest.mark.parametrize(("code", "title"), [("en", "After-action"), ("it", "Relazione")])
async def test_the_page_and_the_file_in_each_language(
    http: httpx2.AsyncClient, api: Caller, engine: Application, code: str, title: str
) -> None:
    run = await ended(api)
    page = await http.get(f"/runs/{run}/report", params={"lang": code})
    assert title in page.text and f'<html lang="{code}">' in page.text
    assert "<style" not in page.text and " style=" not in page.text
    style = await http.get(f"/runs/{run}/report.css", params={"lang": code})
    assert style.headers["content-type"].startswith("text/css")
    assert "@bottom-left" in style.text and "town 1" in style.text.replace("\\2d ", " ")
    file = await http.get(f"/api/v1/runs/{run}/report", params={"format": "html", "lang": code})
    assert title in file.text and f'<html lang="{code}">' in file.text
    policy = file.headers["content-security-policy"]
    assert (
        policy == f"default-src 'none'; style-src {style_source(file.text)}; frame-ancestors 'none'"
    )
    assert "script" not in policy


async def test_a_report_that_is_not_there_is_a_problem_in_every_format(
    http: httpx2.AsyncClient,
) -> None:
    for path in ("/runs/none-1/report", "/runs/none-1/report.css"):
        assert (await http.get(path)).status_code == 404
    for format_ in ("json", "html", "csv"):
        answer = await http.get("/api/v1/runs/none-1/report", params={"format": format_})
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
