"""What the page of a run shows, out of its state: words and numbers, no markup."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from api.dashboard.band import Band, band_of
from api.dashboard.run_cards import Cards, Rights
from api.dashboard.run_now import Outlook, outlook_of, progress, tally, what_next
from api.dashboard.run_rows import View
from api.locale import _, spelt
from api.openings import opening
from api.wording import seen, used
from drorch.run.state import RunState
from drorch.run.status import Mode
from drorch.run.views import Json

__all__ = ["Band", "band_of", "sections", "title_of", "whole"]

MOST_FINDINGS = 200
_MINUTE = 60.0
_LEAST_LATE = 1.0


def title_of(state: RunState, run: Json, band: Band, asked: int) -> str:
    """Return the title of the tab: the mode first, then whether somebody must act, then how far."""
    far = progress(state, run)
    done = (far.up, far.services) if far.services and not far.examined else (far.done, far.total)
    acts = f"◆ {asked} " if asked else ""
    return f"[{band.short}] {acts}{done[0]}/{done[1]} {run['id']}"


def whole(
    state: RunState, run: Json, band: Band, cards: Cards, rights: Rights
) -> Mapping[str, Any]:
    """Return what the parts of a page are made of that are made for each visitor."""
    return {
        "run": run,
        "run_id": run["id"],
        "band": band,
        "mode": band.address,
        "icon": f"/static/{band.asking if cards.total else band.icon}",
        "title": title_of(state, run, band, cards.total),
        "seq": state.seq,
        "over": state.is_over,
        "paused": state.paused,
        "aborting": state.aborting,
        "cards": cards,
        "rights": rights,
        "abort_takes": rights.least("rehearse" if run["mode"] != "live" else "abort-live"),
    }


def sections(
    view: View, run: Json, cards: Cards, events: Sequence[Json]
) -> Mapping[str, Mapping[str, Any]]:
    """Return the parts of a page that all visitors share, by name, with what each is made of.

    Times that pass are told to the minute, so that a part changes when it has something to say.
    """
    state, now = view.state, view.now
    in_the_way = _in_the_way(state, run, {c["id"] for c in (*cards.cards, *cards.more)})
    over = bool(run["ended_at"])
    return {
        "head": {
            "run": {key: run[key] for key in _HEAD},
            "driven": over or state.imported or run["driven"],
            "in_the_way": in_the_way,
            "paused": state.paused,
            "aborting": state.aborting,
        },
        "now": {
            "progress": progress(state, run),
            "examined_words": seen(run) or _("no machine in this plan"),
            "tally": tally(state, run),
            "o": _to_the_minute(outlook_of(run, now)),
            "ended_at": run["ended_at"],
            "took": spelt(used(run, now)) if over else "",
            "is_simulated": run["mode"] == Mode.SIMULATE,
        },
        "next": {"next": what_next(state, now, view.path), "is_asking": bool(cards.total)},
        "obstacles": {"in_the_way": in_the_way},
        "services": {"services": _services(state, run, now)},
        "findings": {
            "findings": run["findings"][:MOST_FINDINGS],
            "total": len(run["findings"]),
            "is_dry": run["mode"] == "dry-run",
        },
        "events": {"events": events, "run_id": run["id"]},
    }


_HEAD = (
    *("id", "title", "plan", "status", "revision", "started_by", "created_at", "reason"),
    *("started_at", "ended_at", "mode", "only", "approval"),
)


def _to_the_minute(outlook: Outlook) -> Outlook:
    margin = outlook.margin_s
    return outlook._replace(
        used_s=outlook.used_s // _MINUTE * _MINUTE,
        margin_s=None if margin is None else margin // _MINUTE * _MINUTE,
    )


def _in_the_way(state: RunState, run: Json, asked: Collection[str]) -> list[Json]:
    """Return what holds up an open run; a machine that is held back has its card already."""
    return [] if state.is_over else [o for o in run["obstacles"] if o["key"] not in asked]


def _services(state: RunState, run: Json, now: datetime) -> list[Json]:
    """Return the services, first tier first, each with whom to call and how late it is."""
    shown = []
    for service in run["services"]:
        contact = state.plan.contact(service["contact"])
        name, phone = (contact.name, contact.phone) if contact else ("", "")
        early, late = _expected(service["eta"])
        told = {
            "contact_name": name,
            "phone": phone,
            "late": _late(service, run, now),
            "opens": opening(service, run, now),
            "early": early,
            "late_at": late,
        }
        shown.append(service | told)
    return sorted(shown, key=lambda s: (s["tier"], s["id"]))


def _expected(eta: object) -> tuple[str | None, str | None]:
    if isinstance(eta, Mapping):
        return eta.get("p50"), eta.get("p90")
    return (eta, eta) if isinstance(eta, str) else (None, None)


def _late(service: Json, run: Json, now: datetime) -> str:
    """Return by how much a service is over its objective while it is not up, to the minute."""
    measured = service["rto"] and service["rta"] is None and not service["external"]
    if not measured or run["started_at"] is None or run["ended_at"] or run["mode"] != "live":
        return ""
    over = used(run, now) - service["rto"]
    if over < _LEAST_LATE:
        return ""
    return spelt(over if over < _MINUTE else over // _MINUTE * _MINUTE)
