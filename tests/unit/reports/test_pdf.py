"""The report as PDF: a real one, tagged, that fetches nothing; and what is said without the library."""

from __future__ import annotations

import logging
import re
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from api.reports.pdf import as_pdf
from drorch.errors import ConfigurationError
from tests.lab_gate import need_module
from tests.unit.reports.test_whole import alone, eventful_report

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
SYSTEM = "pip install weasyprint; apt-get install libpango-1.0-0 libpangoft2-1.0-0"


def inside(pdf: bytes) -> bytes:
    """Return a PDF with what is packed in it beside it."""
    found = [pdf]
    for packed in _STREAM.findall(pdf):
        with suppress(zlib.error):
            found.append(zlib.decompress(packed))
    return b"\n".join(found)


def test_a_report_is_a_tagged_pdf() -> None:
    need_module("weasyprint", why="the report as PDF", install=SYSTEM)
    made = as_pdf(alone(eventful_report(), "it"))
    assert made.startswith(b"%PDF-")
    told = inside(made)
    assert b"/StructTreeRoot" in told
    assert b"pdfuaid" in told
    assert b"/Lang" in told


def test_nothing_in_it_is_named_twice(caplog: pytest.LogCaptureFixture) -> None:
    need_module("weasyprint", why="the report as PDF", install=SYSTEM)
    with caplog.at_level(logging.WARNING, "weasyprint"):
        as_pdf(alone(eventful_report(), "it"))
    told = [record.getMessage() for record in caplog.records]
    assert told, "it complains of style that is for screens"
    assert [words for words in told if "twice" in words] == []


def test_nothing_is_fetched(tmp_path: Path) -> None:
    need_module("weasyprint", why="the report as PDF", install=SYSTEM)
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    plain = as_pdf("<!DOCTYPE html><html lang=en><title>t</title><p>x</p></html>")
    page = (
        "<!DOCTYPE html><html lang=en><title>t</title>"
        f"<link rel=stylesheet href='file://{secret}'><p>x</p>"
        f"<img alt='' src='file://{secret}'><img alt='' src='http://127.0.0.1:9/x.png'>"
        f"<a rel=attachment href='file://{secret}'>a</a></html>"
    )
    made = as_pdf(page)
    assert made.startswith(b"%PDF-")
    told = inside(made)
    assert b"/EmbeddedFile" not in told
    assert b"/Subtype /Image" not in told
    assert plain.startswith(b"%PDF-")


def test_without_the_library_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ConfigurationError) as refused:
        as_pdf("<p>x</p>")
    assert "drorch[pdf]" in refused.value.hint
