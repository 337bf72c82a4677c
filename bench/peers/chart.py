"""The picture of the comparison: two panels of bars, written as SVG by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.peers.contestants import BOOTS, CONTESTANTS, NOOP
from bench.peers.results import COUNT, Results, ratio

_WIDTH, _LEFT, _RIGHT = 860, 230, 90
_BAR, _GAP, _HEAD, _FOOT = 22, 10, 64, 34
_STYLE = """
  .paper { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e } .line { stroke: #d1d9e0 }
  .ours { fill: #0969da } .peer { fill: #8c959f } .limit { fill: #1a7f37 }
  text { font-family: system-ui, sans-serif; font-size: 13px }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
  .title { font-size: 15px; font-weight: 600 } .soft { font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .ink { fill: #f0f6fc } .soft { fill: #9198a1 } .line { stroke: #3d444d }
    .value { stroke: #0d1117 }
    .ours { fill: #4493f8 } .peer { fill: #6e7781 } .limit { fill: #3fb950 }
  }
"""


@dataclass(frozen=True)
class Bar:
    title: str
    kind: str
    value: float


@dataclass(frozen=True)
class Panel:
    """Bars on a logarithmic scale between two decades or, from 1 on, on a linear one."""

    title: str
    below: str
    bars: Sequence[Bar]
    logarithmic: bool
    digits: int

    @property
    def height(self) -> int:
        return _HEAD + len(self.bars) * (_BAR + _GAP) + _FOOT

    def marks(self) -> list[float]:
        most = max(bar.value for bar in self.bars)
        if not self.logarithmic:
            return [1 + step * 0.5 for step in range(max(1, math.ceil((most - 1) / 0.5)) + 1)]
        least = math.floor(math.log10(min(bar.value for bar in self.bars)))
        return [10.0**power for power in range(least, math.ceil(math.log10(most)) + 1)]

    def x(self, value: float) -> float:
        """Return where *value* lies, in pixels."""
        marks = self.marks()
        if self.logarithmic:
            low, high, value = math.log10(marks[0]), math.log10(marks[-1]), math.log10(value)
        else:
            low, high = 0.0, marks[-1]
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)


def draw(results: Results) -> str:
    """Return the picture."""
    panels = [panel for panel in (_cost(results), _makespan(results)) if panel.bars]
    height = sum(panel.height for panel in panels)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>Time a node and makespan: drorch and others</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
    ]
    top = 0
    for panel in panels:
        out += _panel(panel, top)
        top += panel.height
    return "\n".join([*out, "</svg>", ""])


def _cost(results: Results) -> Panel:
    walls = {one.key: results.median(NOOP, one) for one in CONTESTANTS}
    bars = [
        Bar(one.title, _kind(one.key), wall / COUNT[NOOP] * 1000)
        for one in CONTESTANTS
        if (wall := walls[one.key])
    ]
    title = "Time a node, milliseconds: 1,000 nodes that do nothing"
    return Panel(title, "logarithmic; shorter is better", bars, logarithmic=True, digits=2)


def _makespan(results: Results) -> Panel:
    bars = [
        Bar(one.title, _kind(one.key), over)
        for one in CONTESTANTS
        if (over := ratio(results.median(BOOTS, one), results.bound_s))
    ]
    title = "Makespan over the lower bound: 1,000 nodes with boot times, 32 at once"
    return Panel(title, "1 cannot be beaten; shorter is better", bars, logarithmic=False, digits=4)


def _kind(key: str) -> str:
    return "limit" if key == "plain" else "ours" if key.startswith("drorch") else "peer"


def _panel(panel: Panel, top: int) -> Iterator[str]:
    end = top + panel.height - _FOOT
    yield _text(16, top + 26, "ink title", panel.title)
    yield _text(16, top + 45, "soft", panel.below)
    for mark in panel.marks():
        x = panel.x(mark)
        yield f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{top + _HEAD - 6}" y2="{end}"/>'
        yield _text(x, end + 16, "soft", f"{mark:g}", "middle")
    for place, bar in enumerate(panel.bars):
        y = top + _HEAD + place * (_BAR + _GAP)
        width = max(1.0, panel.x(bar.value) - _LEFT)
        yield _text(_LEFT - 10, y + 16, "ink", bar.title, "end")
        yield f'<rect class="{bar.kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}"/>'
        yield _text(_LEFT + width + 6, y + 16, "ink value", f"{bar.value:.{panel.digits}g}")


def _text(x: float, y: float, style: str, words: str, anchor: str = "start") -> str:
    return (
        f'<text class="{style}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
    )
