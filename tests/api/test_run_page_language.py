"""The run's pages in an invented language: what is left in English went past the catalogues."""

from __future__ import annotations

import re

import httpx2
import pytest

from api.dashboard.rendering import PAGES
from api.locale import catalogue
from api.locale.speaking import speaking
from tests.api.desk import Caller
from tests.api.test_pages import show
from tests.api.test_step_page import PLAN
from tests.fakes.invented import Invented, unsaid

INVENTED = "xr"
"""Of these tests alone: what was said once in a language is remembered."""
_WORD = re.compile(r"[A-Za-z]{2,}")
OF_THE_PLAN = {"town", "base", "sim", "start", "tcp", "host", "port", "front"}
SAME = {"Italiano", "English", "drorch", "API", "RTO", "JSON", "CET", "CEST", "UTC"}
DATA = OF_THE_PLAN | SAME
"""What the plan, the machines and the frame bring along."""


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_guests", {INVENTED: Invented()})


def english(words: str) -> set[str]:
    """Return the words that nobody said by the catalogues."""
    return set(_WORD.findall(unsaid(words))) - DATA


@pytest.mark.usefixtures("invented", "engine")
async def test_nothing_on_a_run_s_pages_is_english_alone(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    """But for the types of the journal's events: they stand small behind what they mean."""
    await api.store(PLAN)
    run = await api.start()
    await api.asks(run, "a")
    for path in (f"/runs/{run}?show=all&", f"/runs/{run}/steps/a?", f"/runs/{run}/steps/b?"):
        text = (await http.get(f"{path}lang={INVENTED}")).text
        assert '<ol class="events"' in text, path
        page = re.sub(r"<(title|code)\b[^>]*>.*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
        assert english(page) == set(), path
    assert (await show(http, f"/runs/{run}?lang=en")).words


def test_a_word_that_a_template_has_itself_is_said_at_each_rendering() -> None:
    """Nothing is computed when a template is compiled: by then somebody has a language."""
    template = PAGES.environment.from_string(
        "{{ 'failed'|word }} {% if 'failed'|word == 'failed' %}en{% endif %}"
    )
    said = []
    for code in ("it", "en", "it"):
        with speaking(code):
            said.append(template.render())
    assert said == ["fallito ", "failed en", "fallito "]
