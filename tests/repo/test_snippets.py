"""What the documents show can be used as it stands: plans load, settings are known, commands exist."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest
from typer.main import get_command

from api.cli.commands import app
from api.settings import load_settings
from plans import load
from tests.repo.tree import ROOT, texts

DOCUMENTS = [(str(f.relative_to(ROOT)), text) for f, text in texts() if f.suffix == ".md"]


def fenced(language: str) -> Iterator[tuple[str, str]]:
    """Yield every block of *language*, with the document that shows it."""
    for name, text in DOCUMENTS:
        for block in re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield name, block


PLANS = [(name, block) for name, block in fenced("yaml") if block.startswith("drorch: 1")]
TABLES = list(fenced("toml"))
COMMANDS = set(getattr(get_command(app), "commands", {}))
_COMMAND = r"drorch ([a-z]+)(?=[\s`])"
NAMED = {
    *((n, c) for n, text in DOCUMENTS for c in re.findall("`" + _COMMAND, text)),
    *((n, c) for n, block in fenced("sh") for c in re.findall(r"(?m)^(?:\S*/)?" + _COMMAND, block)),
}


@pytest.mark.parametrize(("name", "block"), PLANS, ids=lambda one: one.split("\n")[0])
def test_a_plan_that_is_shown_is_a_plan(name: str, block: str) -> None:
    assert load(block, name).steps


def test_plans_are_shown() -> None:
    assert {name for name, _ in PLANS} >= {"README.md", "docs/plan-language.md"}


@pytest.mark.parametrize(("name", "block"), TABLES, ids=lambda one: one.split("\n")[0])
def test_settings_that_are_shown_are_known(
    name: str, block: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = tomllib.loads(block)
    assert table, name
    if "project" in table:  # a connector's own package
        return
    file = tmp_path_factory.mktemp("shown") / "drorch.toml"
    file.write_text(block, encoding="utf-8")
    assert load_settings(file, {}).source == file


@pytest.mark.parametrize(("name", "command"), sorted(NAMED))
def test_a_command_that_is_named_exists(name: str, command: str) -> None:
    assert command in COMMANDS, name


def test_commands_are_named() -> None:
    """Without this, a mistake in the pattern would let everything pass."""
    assert {command for _, command in NAMED} >= {"run", "hold", "runs", "validate", "status"}
