"""The part of docs/benchmarks.md that compares drorch with others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.peers.contestants import BOOTS, CONTESTANTS, FIFTY, LARGE, NOOP, OURS, Contestant
from bench.peers.results import COUNT, Figure, Results, figures, ratio

BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"
_EXPLAINED = Path(__file__).parent / "explained.txt"


def write(results: Results, document: Path) -> None:
    """Put the comparison between the markers of *document*; the rest stays."""
    text = document.read_text(encoding="utf-8")
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    document.write_text(f"{before}{BEGIN}\n{section(results)}\n{END}{after}", encoding="utf-8")


def section(results: Results) -> str:
    """Return the whole section as Markdown."""
    parts = [
        _EXPLAINED.read_text(encoding="utf-8").strip(),
        "### Where it was measured\n\n" + "\n".join(_about(results)),
        "### What was promised\n\n" + rows(_FIGURES, map(_figure, figures(results))),
        "### Nodes that do nothing\n\n" + rows(_NOOP, _noops(results)),
        "### Nodes with boot times\n\n" + rows(_BOOTS, _boots(results)),
        "### Fifty runs at once\n\n" + rows(_FIFTY, _fifties(results)),
    ]
    if missing := list(_failures(results)):
        parts.append("### Not measured\n\n" + "\n".join(missing))
    return "\n\n".join(parts)


def rows(head: Sequence[str], body: Iterator[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


_FIGURES = ("figure", "measured", "wanted", "")
_NOOP = (
    "contestant",
    "nodes",
    "wall time, s (least to most)",
    "ms a node",
    "times plain",
    "overhead, ms a node",
    "CPU, s",
    "peak memory, MB",
)
_BOOTS = (
    "contestant",
    "makespan, s (least to most)",
    "over plain",
    "over the lower bound",
    "CPU, s",
)
_FIFTY = ("boot times, median", "requested", "wait p50, ms", "p99, ms", "p99 without each run's first steps, ms", "longest, ms", "cores busy", "makespan over the lower bound")  # fmt: skip


def _about(results: Results) -> Iterator[str]:
    for what, value in results.about.items():
        yield f"* {what}: {value}"


def _figure(figure: Figure) -> Sequence[str]:
    measured = "-" if figure.measured is None else f"{figure.measured:,.{figure.digits}f}"
    wanted = f"at {'least' if figure.least else 'most'} {figure.wanted:g} {figure.unit}"
    return figure.what, measured, wanted, figure.verdict


def _noops(results: Results) -> Iterator[Sequence[str]]:
    for discipline in (NOOP, LARGE):
        for one in CONTESTANTS:
            wall = results.median(discipline, one)
            if wall is not None:
                yield (
                    one.title,
                    f"{COUNT[discipline]:,}",
                    _spread(results, discipline, one),
                    number(wall / COUNT[discipline] * 1000, 3),
                    number(results.over_plain(discipline, one), 1),
                    number(results.overhead_ms(discipline, one), 3),
                    number(results.median(discipline, one, "cpu_s"), 2),
                    number(_memory(results, discipline, one), 0),
                )


def _memory(results: Results, discipline: str, one: Contestant) -> float:
    own = results.median(discipline, one, "peak_mb") or 0.0
    servers = (run.get("server_mb", 0.0) for run in results.runs[discipline][one.key])
    return float(own + max(servers))


def _boots(results: Results) -> Iterator[Sequence[str]]:
    for one in CONTESTANTS:
        wall = results.median(BOOTS, one)
        if wall is not None:
            yield (
                one.title,
                _spread(results, BOOTS, one),
                number(results.over_plain(BOOTS, one), 3),
                number(ratio(wall, results.bound_s), 3),
                number(results.median(BOOTS, one, "cpu_s"), 2),
            )


def _fifties(results: Results) -> Iterator[Sequence[str]]:
    keys = ("p50_ms", "p99_ms", "later_p99_ms", "max_ms", "cpu_share", "over_bound")
    for discipline in sorted(results.runs, reverse=True):
        if discipline.startswith(FIFTY):
            first = results.runs[discipline][OURS.key][0]
            yield (
                f"{first['median_s']:g} s",
                first["requested"],
                *(number(results.median(discipline, OURS, key), 2) for key in keys),
            )


def _spread(results: Results, discipline: str, one: Contestant) -> str:
    walls = results.values(discipline, one.key, "wall_s")
    middle = results.median(discipline, one)
    return f"{number(middle, 3)} ({number(min(walls), 3)} to {number(max(walls), 3)})"


def number(value: float | None, digits: int) -> str:
    """Return *value* for a table."""
    return "-" if value is None else f"{value:,.{digits}f}"


def _failures(results: Results) -> Iterator[str]:
    titles = {one.key: one.title for one in CONTESTANTS}
    for discipline, failed in results.failures.items():
        for key, why in failed.items():
            yield f"* {titles[key]}, {discipline}: {why}"
