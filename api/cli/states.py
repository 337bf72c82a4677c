"""States by the names that people call them.

English keeps the very words of the data, which scripts and habits know.
"""

from __future__ import annotations

from collections.abc import Mapping

from api.locale import language, pgettext
from api.locale.catalogue import WRITTEN
from api.locale.statuses import status_word


def state_word(state: object) -> str:
    """Return how a run, a step, a service or a finding stands, or the mode of a run."""
    return str(state) if language() == WRITTEN else status_word(state)


def power_word(power: object) -> str:
    """Return what a hypervisor says of a machine; words that it has from elsewhere as they are."""
    name = str(power)
    return _powers().get(name, name)


def _powers() -> Mapping[str, str]:
    return {
        "off": pgettext("a machine", "off"),
        "starting": pgettext("a machine", "starting"),
        "running": pgettext("a machine", "running"),
        "paused": pgettext("a machine", "paused"),
        "crashed": pgettext("a machine", "crashed"),
        "unknown": pgettext("a machine", "unknown"),
    }
