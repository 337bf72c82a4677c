"""A plan's graph as tables, data, Mermaid and Graphviz."""

from __future__ import annotations

from collections.abc import Iterator

from api.cli.access import Json
from api.cli.screen import print_table, say
from api.locale import _, ngettext, spelt
from drorch.model.graph import Graph, expected
from drorch.model.plan import Plan, When

_SHAPES = {"vm": ("[", "]"), "gate": ("{{", "}}"), "manual": ("[/", "/]"), "wait": ("([", "])")}
_ROUND = ("(", ")")
_DOT_SHAPES = {"vm": "box", "gate": "hexagon", "manual": "parallelogram", "wait": "ellipse"}


def graph_json(plan: Plan) -> Json:
    """Return the waves, the critical path and the expected times."""
    graph = Graph(plan)
    wave_of = {s.id: n for n, wave in enumerate(graph.waves(), start=1) for s in wave}
    return {
        "plan": plan.id,
        "title": plan.title,
        "machines": sum(step.machine is not None for step in plan.steps),
        "expected_s": graph.expected_duration().total_seconds(),
        "rto_s": plan.rto.total_seconds() if plan.rto else None,
        "waves": [[step.id for step in wave] for wave in graph.waves()],
        "critical_path": [
            {"step": step.id, "expected_s": expected(step)} for step in graph.critical_path()
        ],
        "nodes": [
            {
                "id": step.id,
                "title": step.title,
                "action": step.action.kind,
                "machine": str(step.machine) if step.machine else None,
                "group": step.group,
                "wave": wave_of[step.id],
                "tier": graph.tier[graph.index[step.id]],
                "expected_s": expected(step),
            }
            for step in plan.steps
        ],
        "edges": [
            {"from": dependency.target, "to": step.id, "when": dependency.when}
            for step in plan.steps
            for dependency in step.depends_on
        ],
        "groups": [{"id": group.id, "title": group.title} for group in plan.groups],
        "services": [
            {"id": s.id, "title": dict(s.title), "tier": s.tier, "steps": list(s.steps)}
            | {"rto_s": s.rto.total_seconds() if s.rto else None}
            for s in plan.services
        ],
    }


def print_graph(plan: Plan) -> None:
    """Print the plan's waves for people, and how long it takes at least."""
    drawn = graph_json(plan)
    title = plan.title or _("no title")
    say(f"{plan.id}: {title}", style="bold")
    size = (
        ngettext("{n} steps", "{n} steps", len(plan.steps)),
        ngettext("{n} machines", "{n} machines", drawn["machines"]),
        ngettext("{n} waves", "{n} waves", len(drawn["waves"])),
    )
    longest = _("the longest chain takes {span}", span=spelt(drawn["expected_s"]))
    if drawn["rto_s"]:
        longest += _(", to be back within {span}", span=spelt(drawn["rto_s"]))
    say(f"{', '.join(size)}; {longest}")
    rows = [
        (str(number), str(len(wave)), ", ".join(wave))
        for number, wave in enumerate(drawn["waves"], start=1)
    ]
    print_table((_("wave"), _("steps"), ""), rows)
    path = " -> ".join(f"{p['step']} ({spelt(p['expected_s'])})" for p in drawn["critical_path"])
    say(_("critical path: {steps}", steps=path))


def mermaid(plan: Plan) -> str:
    """Return the graph as a Mermaid flow chart; the critical path is bold."""
    return "\n".join(_mermaid(plan)) + "\n"


def _mermaid(plan: Plan) -> Iterator[str]:
    names = _names(plan)
    yield "flowchart LR"
    for group in plan.groups:
        yield f'  subgraph {names[group.id]}["{_text(group.title or group.id)}"]'
        for step in plan.steps:
            if step.group == group.id:
                yield f"    {_node(names[step.id], step.action.kind, step.id)}"
        yield "  end"
    for step in plan.steps:
        if step.group is None:
            yield f"  {_node(names[step.id], step.action.kind, step.id)}"
    for step in plan.steps:
        for dependency in step.depends_on:
            arrow = "-->" if dependency.when is When.HEALTHY else f"-. {dependency.when} .->"
            yield f"  {names[dependency.target]} {arrow} {names[step.id]}"
    yield "  classDef critical stroke-width:4px"
    critical = ",".join(names[step.id] for step in Graph(plan).critical_path())
    if critical:
        yield f"  class {critical} critical"


def _node(name: str, kind: str, words: str) -> str:
    before, after = _SHAPES.get(kind, _ROUND)
    return f'{name}{before}"{_text(words)}"{after}'


def _names(plan: Plan) -> dict[str, str]:
    """Return names that Mermaid takes: ids may hold dots and words such as ``end``."""
    names = {step.id: f"s{number}" for number, step in enumerate(plan.steps)}
    return names | {group.id: f"g{number}" for number, group in enumerate(plan.groups)}


def _text(words: str) -> str:
    return words.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def dot(plan: Plan) -> str:
    """Return the graph for Graphviz; the critical path is bold."""
    return "\n".join(_dot(plan)) + "\n"


def _dot(plan: Plan) -> Iterator[str]:
    critical = {step.id for step in Graph(plan).critical_path()}
    groups = {group.id for group in plan.groups}
    yield f"digraph {_quoted(plan.id)} {{"
    yield "  rankdir=LR; node [fontname=sans]; edge [color=gray40];"
    for step in plan.steps:
        shape = _DOT_SHAPES.get(step.action.kind, "component")
        bold = ", penwidth=3" if step.id in critical else ""
        yield f"  {_quoted(step.id)} [shape={shape}{bold}];"
    for group in plan.groups:
        yield f"  {_quoted(f'group {group.id}')} [shape=folder, label={_quoted(group.id)}];"
    for step in plan.steps:
        if step.group is not None:
            yield f"  {_quoted(step.id)} -> {_quoted(f'group {step.group}')} [style=dotted];"
        for dependency in step.depends_on:
            target = dependency.target
            before = f"group {target}" if target in groups else target
            style = "" if dependency.when is When.HEALTHY else f" [label={dependency.when}]"
            yield f"  {_quoted(before)} -> {_quoted(step.id)}{style};"
    yield "}"


def _quoted(words: str) -> str:
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
