"""Examples of answers that are made of others, or asked for alone; see `api.schemas.examples`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.schemas.examples import EXAMPLES, PLAN

_MORE = "eyJ0b3duLTEi"
"""A cursor as it looks."""
_DIGEST = EXAMPLES["PlanStored"]["digest"]
_REVISION = {
    "plan": "town",
    "revision": 3,
    "digest": _DIGEST,
    "created_at": "2026-11-20T09:12:00.000Z",
}
_SUMMARY = {
    "id": "town",
    "title": "A small town",
    "revision": 3,
    "digest": _DIGEST,
    "created_at": "2026-11-20T09:12:00.000Z",
    "steps": 3,
    "services": 1,
    "expected_s": 180.0,
}
_STEP = {
    "id": "db",
    "title": "db",
    "action": "vm",
    "status": "healthy",
    "examined": None,
    "waits_for": "",
    "attempt": 1,
    "attempts": 3,
    "tries": 1,
    "tries_before": 0,
    "depends_on": [{"step": "storage", "when": "healthy"}],
    "connector": "pve",
    "vm": "101",
    "host": "pve1",
    "ready_at": "2026-11-22T06:04:10.000Z",
    "started_at": "2026-11-22T06:04:10.000Z",
    "running_at": "2026-11-22T06:04:40.000Z",
    "healthy_at": "2026-11-22T06:04:52.000Z",
    "ended_at": "2026-11-22T06:04:52.000Z",
    "error": None,
    "who": None,
    "from_paper": None,
    "checks": [
        {
            "kind": "tcp",
            "name": "10.1.1.21:5432",
            "healthy": True,
            "evidence": "connected in 2 ms",
            "at": "2026-11-22T06:04:52.000Z",
        }
    ],
}
_NODE = {
    "id": "db",
    "title": "db",
    "kind": "vm",
    "group": None,
    "tier": 1,
    "wave": 2,
    "expected_s": 60.0,
    "chain_s": 120.0,
    "critical": True,
}
_CONNECTOR = {
    "name": "pve",
    "type": "proxmox",
    "ok": True,
    "product": "Proxmox VE",
    "version": "8.4.1",
    "error": None,
    "hint": None,
}
_WEBHOOK = {
    "name": "desk",
    "host": "10.1.0.30:8443",
    "events": ["run.*", "step.asked"],
    "pending": 0,
    "failed": 0,
    "last_error": None,
    "last_sent_at": "2026-11-22T06:02:11.000Z",
    "disabled": False,
    "disabled_reason": None,
}
_ENTRY = {
    "action": "run.start",
    "actor": {"identity": "token:k7pz2q8w1x", "name": "anna", "role": "responder"},
    "address": "10.1.0.77",
    "after": {"plan": "town", "revision": 3, "mode": "live", "only": [], "digest": _DIGEST},
    "approval": "",
    "at": "2026-11-22T06:02:10.000Z",
    "before": None,
    "monotonic": 5123.25,
    "object": "run/town-1",
    "prev": "24f772f8bb3344fc62f08175c9785157843fa30e65e4274bc574ece36cc9767f",
    "reason": "power cut at 05:50",
    "request_id": "1f2e3d4c5b6a",
    "seq": 41,
}
_CHECKS = ("database", "it can be written"), ("clock", "it is sane")


def _list(item: Any, more: str | None = None) -> Mapping[str, Any]:
    return {"items": [item], "next": more}


ANSWERS: Mapping[str, Any] = {
    "PlanValid": {
        "plan": "town",
        "title": "A small town",
        "steps": 3,
        "digest": _DIGEST,
        "warnings": [
            {
                "file": "plan.yaml",
                "line": 8,
                "column": 3,
                "code": "no-check",
                "message": '"storage" counts as healthy as soon as its machine runs',
                "hint": "add verify with a check of its application, or agent: {} at least",
            }
        ],
    },
    "Plans": _list(_SUMMARY),
    "PlanDetail": {**_SUMMARY, "source": PLAN},
    "Revisions": _list(_REVISION),
    "RevisionSource": {**_REVISION, "source": PLAN},
    "PlanGraph": {
        "plan": "town",
        "revision": 3,
        "nodes": [_NODE],
        "edges": [{"source": "storage", "target": "db", "when": "healthy"}],
        "waves": [["storage"], ["db"], ["web"]],
        "critical_path": ["storage", "db", "web"],
        "expected_s": 180.0,
    },
    "Runs": _list(EXAMPLES["Run"], _MORE),
    "Step": _STEP,
    "Steps": _list(_STEP),
    "Events": _list(EXAMPLES["Event"], _MORE),
    "Report": {
        "run": {"id": "town-1", "plan": "town", "mode": "live", "status": "succeeded"},
        "summary": {
            "status": "succeeded",
            "took_s": 412.0,
            "rto_s": None,
            "machines": 2,
            "attempts": 2,
            "services_met": 1,
            "services_with_rto": 1,
        },
        "services": [
            {"id": "anagrafe", "rto_s": 7200.0, "rta_s": 400.5, "met": True, "earlier": []}
        ],
        "steps": [
            {
                **_STEP,
                "queued_s": 0.0,
                "boot_s": 30.0,
                "verify_s": 12.0,
                "took_s": 42.0,
                "expected_s": 60.0,
                "acting_s": 30.0,
                "checking_s": 12.0,
                "people_s": 0.0,
                "vendors_s": 0.0,
                "retries_s": 0.0,
                "contact": "vendor-demografici",
            }
        ],
        "waiting": {"people_s": 120.0, "vendors_s": 0.0, "machines_s": 90.0, "retries_s": 0.0},
        "clock": {
            "run_s": 412.0,
            "at_least_one": {"machines_s": 90.0, "people_s": 120.0},
            "only": {"machines_s": 90.0, "people_s": 120.0, "other_s": 202.0},
        },
        "contacts": [],
        "critical_path": [
            {
                "step": "db",
                "took_s": 42.0,
                "title": "db",
                "ready_at": "2026-11-30T03:02:00.000Z",
                "done_at": "2026-11-30T03:02:42.000Z",
                "queued_s": 0.0,
                "boot_s": 30.0,
                "verify_s": 12.0,
                "people_s": 0.0,
                "vendors_s": 0.0,
                "retries_s": 0.0,
            }
        ],
        "acts": [],
        "manual": [],
        "failures": [],
        "timeline": [EXAMPLES["Event"]],
        "differences": [],
        "proposals": [
            {
                "step": "db",
                "key": "expect",
                "value": "42s",
                "reason": "it took 42 s; the plan expects 120 s",
                "kind": "expect",
                "values": {"took": "42 s", "expected": "120 s"},
                "yaml": "steps:\n  db: {expect: 42s}\n",
            }
        ],
        "earlier": [],
        "charts": {},
        "clock_gaps": [],
        "as_of": "2026-11-30T03:06:52.000Z",
        "record": None,
        "seen": 57,
    },
    "Services": _list(EXAMPLES["ServiceShown"]),
    "Connectors": _list(_CONNECTOR),
    "ConnectorChecked": {
        "name": "pve",
        "type": "proxmox",
        "product": "Proxmox VE",
        "version": "8.4.1",
        "identity": "proxmox:ced-beverora",
        "machines": 140,
        "hosts": [{"name": "pve1", "online": True, "reason": ""}],
        "quorate": True,
        "findings": [],
    },
    "Fleet": {
        "items": [
            {
                "connector": "pve",
                "machine": "101",
                "name": "anagrafe-db",
                "power": "running",
                "host": "pve1",
                "plans": ["town"],
                "hold": None,
            }
        ],
        "away": [{"connector": "kvm1", "error": "no answer within 5 s", "hint": "is it on?"}],
        "next": None,
    },
    "Holds": _list(EXAMPLES["Hold"]),
    "Held": {**EXAMPLES["Hold"], "also": []},
    "Orchestrators": _list(
        {
            "name": "ced1:4711",
            "site": "aee9dd82d658bbef",
            "address": "ced1:8140",
            "version": "0.1.0",
            "alive": True,
            "silent_s": 1.2,
            "started_at": "2026-11-01T08:00:00.000Z",
            "drives": ["town-1"],
            "note": "",
        }
    ),
    "Tokens": _list(EXAMPLES["Token"]),
    "AuditEntries": _list(
        {
            "seq": 41,
            "entry": _ENTRY,
            "hash": "5d3ee690fc9a7260dc8478fa11364eb84b1ef2502df0540c5bc7b2e62188b0be",
        },
        _MORE,
    ),
    "AuditVerdict": {
        "ok": True,
        "entries": 41,
        "anchored": 40,
        "unanchored": 1,
        "checkpoints": 12,
        "broken": None,
        "doubts": [],
        "notes": [],
    },
    "Webhook": _WEBHOOK,
    "Webhooks": _list(_WEBHOOK),
    "WebhookTest": {"name": "desk", "message": "msg_5f0b3e0e3c8f4c52a0c5d1e94e1d2a77"},
    "Alive": {"status": "ok", "version": "0.1.0"},
    "Ready": {
        "status": "ready",
        "version": "0.1.0",
        "checks": [{"check": name, "ok": True, "detail": told} for name, told in _CHECKS],
        "notes": [],
    },
}
