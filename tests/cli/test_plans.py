"""``show``, ``schema``, and what they draw."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from plans.catalog import example, examples
from tests.cli.conftest import Drorch, plan


def test_show_tells_waves_path_and_duration(drorch: Drorch, tmp_path: Path) -> None:
    told = drorch("show", plan(tmp_path))
    assert told.code == 0
    assert "2 steps, 2 machines, 2 waves; the longest chain takes 4 s" in told.out
    assert "critical path: db (2 s) -> web (2 s)" in told.out


def test_show_as_data(drorch: Drorch, tmp_path: Path) -> None:
    shown = drorch("show", plan(tmp_path), "--format", "json").json
    assert shown["waves"] == [["db"], ["web"]]
    assert shown["edges"] == [{"from": "db", "to": "web", "when": "healthy"}]
    assert (shown["expected_s"], shown["machines"]) == (4.0, 2)
    only = drorch("show", plan(tmp_path), "--only", "db", "--format", "json").json
    assert only["waves"] == [["db"]]


def test_show_as_pictures(drorch: Drorch, tmp_path: Path) -> None:
    path = plan(
        tmp_path,
        services={},
        groups={"all": {"title": 'The "old" <ones>'}},
        steps={
            "end": {"vm": 101, "group": "all"},
            "gate.1": {"gate": {}, "depends_on": ["all", {"step": "end", "when": "started"}]},
        },
    )
    drawn = drorch("show", path, "--format", "mermaid").out
    assert drawn.startswith("flowchart LR\n")
    assert 'subgraph g0["The &quot;old&quot; &lt;ones>"]' in drawn
    assert "s0 -. started .-> s1" in drawn
    dotted = drorch("show", path, "--format", "dot").out
    assert dotted.startswith('digraph "small" {')
    assert '"group all" -> "gate.1";' in dotted
    assert dotted.rstrip().endswith("}")


@pytest.mark.parametrize("name", examples())
def test_every_example_is_shown_and_valid(drorch: Drorch, name: str) -> None:
    path = str(example(name))
    assert drorch("validate", path).code == 0
    for drawing in ("table", "json", "mermaid", "dot"):
        assert drorch("show", path, "--format", drawing).code == 0


def test_the_schema_fits_the_first_example(drorch: Drorch) -> None:
    schema = drorch("schema").json
    document = yaml.safe_load(example("first").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
