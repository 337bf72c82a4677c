"""The words for how a step, a run, a service or a finding stands, and for the mode of a run."""

from __future__ import annotations

from collections.abc import Mapping

from api.locale.speaking import _, noted, pgettext

_WORDS: Mapping[str, str] = {
    "pending": noted("pending"),
    "ready": noted("ready"),
    "starting": noted("starting"),
    "verifying": noted("verifying"),
    "healthy": noted("healthy"),
    "failed": noted("failed"),
    "waiting": noted("waiting"),
    "blocked": noted("blocked"),
    "skipped": noted("skipped"),
    "cancelled": noted("cancelled"),
    "running": noted("running"),
    "paused": noted("paused"),
    "succeeded": noted("succeeded"),
    "aborted": noted("aborted"),
    "awaiting_approval": noted("awaiting approval"),
    "imported": noted("imported"),
    "restoring": noted("restoring"),
    "down": noted("down"),
    "unknown": noted("unknown"),
    "not_affected": noted("not affected"),
    "could start": noted("could start"),
    "found running": noted("found running"),
    "no error": noted("no error"),
    "nothing to look at": noted("nothing to look at"),
    "not examined": noted("not examined"),
    "held": noted("held"),
    "has an error": noted("has an error"),
    "error": noted("error"),
    "warning": noted("warning"),
    "info": noted("info"),
    "live": noted("live"),
    "dry-run": noted("dry run"),
    "simulate": noted("simulation"),
    "drill": noted("drill"),
    "shutdown": noted("shutdown"),
}


def status_word(status: object) -> str:
    """Return a status as people read it; one that has no word here is shown as it is written."""
    name = str(status)
    if name == "up":
        return pgettext("a service", "up")
    return _(_WORDS[name]) if name in _WORDS else name.replace("_", " ")


def run_word(status: object) -> str:
    """Return how a run stands as people read it: in some languages not in the words of a step."""
    return pgettext("a run", "failed") if str(status) == "failed" else status_word(status)
