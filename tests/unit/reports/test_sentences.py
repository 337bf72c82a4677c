"""Whatever a timeline shows has words, also an event that is new."""

from __future__ import annotations

from typing import get_args

from api.reports.after_action import _QUIET
from api.reports.sentences import event_words
from drorch.run import events as ev


def test_every_event_of_a_timeline_has_words() -> None:
    shown = [kind for kind in get_args(ev.Event) if kind not in _QUIET]
    assert len(shown) > 20
    assert [kind.type for kind in shown if event_words(kind.type) == kind.type] == []
