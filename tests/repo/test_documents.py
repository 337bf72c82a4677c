"""The documents are whole: links lead somewhere, generated parts are current, promises are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from api.settings import OidcSettings, Settings
from connectors.notifiers.settings import HookSettings
from scripts.documents import generated
from tests.repo.test_shape import project
from tests.repo.tree import ROOT, texts

_LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)")
_FENCED = re.compile(r"```.*?```", re.DOTALL)
MARKDOWN = [(file, text) for file, text in texts() if file.suffix == ".md"]
HEADINGS = ("## Status", "## Context", "## Decision", "## Consequences")


@pytest.mark.parametrize(("file", "text"), MARKDOWN, ids=lambda one: getattr(one, "name", ""))
def test_links_lead_somewhere(file: Path, text: str) -> None:
    for link in _LINK.findall(_FENCED.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), f"{file.name}: {link}"
        if anchor:
            assert anchor in set(_anchors(target)), f"{file.name}: {link}"


def test_generated_parts_are_current() -> None:
    stale = [str(f.relative_to(ROOT)) for f, text in generated() if f.read_text("utf-8") != text]
    assert stale == [], "make schema writes them anew"


def test_what_is_generated_is_there() -> None:
    names = {file.name for file, _ in generated()}
    assert names >= {"plan-v1.json", "openapi.json", "plan-language.md", "run-rules.md", "cli.md"}
    reference = (ROOT / "docs" / "plan-language.md").read_text(encoding="utf-8")
    assert "| `on_failure` | `ask`, `continue`, `stop` |" in reference
    assert "### `postgres`" in reference


def test_the_readme_names_the_two_commands_and_the_way_out() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for promised in ("make demo", "make test", "docs/README.md", "pveum role add", "run.svg"):
        assert promised in readme


def test_every_dependency_says_why_it_is_there() -> None:
    declared = project()
    lists = [
        declared["project"]["dependencies"],
        *declared["project"]["optional-dependencies"].values(),
        *declared["dependency-groups"].values(),
    ]
    names = {re.split(r"[\[<>=]", entry)[0] for entries in lists for entry in entries}
    told = set(re.findall(r"`([A-Za-z0-9-]+)`", _page("dependencies.md")))
    assert names - told == set()
    rows = re.findall(r"^\| (?:`[a-z]+` \| )?(`[^|]+`) \|", _page("dependencies.md"), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([A-Za-z0-9-]+)`", row)}
    assert listed - names == set()


def test_every_setting_is_told_in_the_document_of_its_table() -> None:
    tables = {
        name: field.default if isinstance(field.default, BaseModel) else None
        for name, field in Settings.model_fields.items()
    }
    told = {name: type(table) for name, table in tables.items() if table is not None}
    assert told.keys() >= {"server", "database", "network", "policy", "audit", "access"}
    page = _page("configuration.md")
    for name, table in told.items():
        assert f"[{name}]" in page
        assert [key for key in table.model_fields if not _tells(page, key)] == [], name
    hooks = _page("webhooks.md")
    assert [key for key in HookSettings.model_fields if not _tells(hooks, key)] == []
    oidc = _page("access.md")
    assert [key for key in OidcSettings.model_fields if not _tells(oidc, key)] == []


def _tells(page: str, key: str) -> bool:
    return re.search(rf"^(\| .*`(\[\w+\] )?{key}`.*\||{key} = )", page, re.MULTILINE) is not None


def test_decisions_have_their_headings_and_are_listed() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    listed = _page("adr/README.md")
    for number, file in enumerate(decisions, start=1):
        text = file.read_text(encoding="utf-8")
        assert file.name.startswith(f"{number:04}-"), file.name
        assert text.startswith(f"# {number}. "), file.name
        assert tuple(re.findall(r"^## .*$", text, re.MULTILINE)) == HEADINGS, file.name
        assert file.name in listed
        assert len(text.split()) < 600, f"{file.name} is longer than a page"


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def _anchors(file: Path) -> Iterator[str]:
    """Yield the anchors that headings of *file* get."""
    for heading in re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        yield plain.strip().replace(" ", "-")
