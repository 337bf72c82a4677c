"""The marks by which nobody takes a rehearsal for the real thing, or the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from api.locale import _
from api.telling import used_types
from drorch.run.state import RunState
from drorch.run.status import Mode


class Band(NamedTuple):
    """The mode in words that cannot be mistaken.

    ``tone`` picks pattern, colour and frame, ``short`` begins the title and is the water-mark on
    paper, ``icon`` is the file of the tab's picture, ``address`` the word in the page's address.
    """

    tone: str
    words: str
    short: str
    icon: str
    address: str

    @property
    def asking(self) -> str:
        """The picture while somebody has to act."""
        return self.icon.replace(".svg", "-asks.svg")


def band_of(state: RunState, types: Mapping[str, str]) -> Band:
    """Return what this run does to real machines; *types* are those of its connectors."""
    if state.mode is Mode.SIMULATE:
        words = _("SIMULATION: nothing is contacted, times are estimates")
        return Band("simulation", words, _("SIM"), "icon-simulation.svg", "simulate")
    if state.mode is Mode.DRY_RUN:
        words = _("DRY RUN: the fleet is looked at, never touched")
        return Band("dry", words, _("DRY RUN"), "icon-dry.svg", "dry-run")
    used = used_types(state.plan, types)
    if used == {"simulated"}:
        words = _("LIVE on a SIMULATED HYPERVISOR: no real machine is touched")
        return Band("imagined", words, _("LIVE, SIMULATED"), "icon-imagined.svg", "live-simulated")
    words = _("LIVE: real machines are powered on")
    if "simulated" in used:
        words = _("LIVE: real machines are powered on (some are SIMULATED)")
    return Band("live", words, _("LIVE"), "icon-live.svg", "live")
