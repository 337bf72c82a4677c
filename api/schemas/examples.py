"""Examples of what goes over HTTP, by the name of its shape; a test holds them against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAN = """\
drorch: 1
plan: town
title: A small town
defaults: {connector: pve}
services:
  anagrafe: {title: {it: Anagrafe, en: Civil registry}, tier: 1, rto: 2h, steps: [web]}
steps:
  storage: {manual: {ask: Are both storage controllers online?}}
  db: {vm: 101, depends_on: [storage], verify: [{tcp: "10.1.1.21:5432"}]}
  web: {vm: 102, depends_on: [db], verify: [{http: "http://10.1.1.22/health"}]}
"""
_COUNTS = {
    "pending": 1, "ready": 0, "starting": 1, "verifying": 0, "healthy": 1,
    "failed": 0, "waiting": 0, "blocked": 0, "skipped": 0, "cancelled": 0,
}  # fmt: skip
_HOLD = {
    "connector": "pve",
    "machine": "201",
    "reason": "encrypted, do not boot",
    "by": "anna",
    "at": "2026-11-22T06:40:12.000Z",
}
_NOTICE = {
    "service": "anagrafe",
    "state": "down",
    "text": {"it": "Sportello chiuso fino alle 11", "en": "Desk closed until 11"},
    "expected_at": "2026-11-22T10:00:00.000Z",
    "by": "anna",
    "at": "2026-11-22T07:01:00.000Z",
}
_TOKEN = {
    "id": "k7pz2q8w1x",
    "name": "monitoring",
    "role": "viewer",
    "created_at": "2026-11-22T06:00:00.000Z",
    "created_by": "anna",
    "expires_at": None,
    "addresses": ["10.1.0.0/24"],
    "last_used_at": None,
    "last_used_from": "",
    "revoked_at": None,
}
_SERVICE = {
    "id": "anagrafe",
    "title": {"it": "Anagrafe", "en": "Civil registry"},
    "state": "restoring",
    "tier": 1,
    "eta": {
        "p10": "2026-11-22T06:20:00.000Z",
        "p50": "2026-11-22T06:24:00.000Z",
        "p90": "2026-11-22T06:33:00.000Z",
    },
    "rto": 7200.0,
    "rta": None,
    "met": None,
    "up_at": None,
    "open_by": None,
    "external": False,
    "evidence": None,
    "since": None,
    "plan": "town",
    "run": "town-1",
}

EXAMPLES: Mapping[str, Any] = {
    "RunRequest": {
        "plan": "town",
        "mode": "live",
        "reason": "power cut at 05:50",
        "confirm": "town",
    },
    "Decide": {"comment": "both controllers are green", "by": "anna"},
    "ApproveRun": {"comment": "agreed by telephone", "by": "bruno"},
    "PaperTick": {"done_at": "2026-11-22T03:40:00+01:00", "by": "Maria Rossi", "result": "done"},
    "HoldRequest": {"reason": "encrypted, do not boot", "by": "anna"},
    "HaltRequest": {"reason": "ransomware: find out what is infected"},
    "NoticeRequest": {
        "state": "down",
        "text": _NOTICE["text"],
        "expected_at": "2026-11-22T11:00:00+01:00",
    },
    "TokenRequest": {"name": "monitoring", "role": "viewer", "addresses": ["10.1.0.0/24"]},
    "Run": {
        "id": "town-1",
        "plan": "town",
        "revision": 3,
        "mode": "live",
        "status": "running",
        "reason": "power cut at 05:50",
        "created_at": "2026-11-22T06:02:10.000Z",
        "started_at": "2026-11-22T06:02:11.000Z",
        "ended_at": None,
        "counts": _COUNTS,
        "eta": {
            "p10": "2026-11-22T06:25:00.000Z",
            "p50": "2026-11-22T06:31:00.000Z",
            "p90": "2026-11-22T06:44:00.000Z",
        },
        "eta_basis": {
            "at": "2026-11-22T06:03:00.000Z",
            "runs": 6,
            "learned": 15,
            "guessed": 2,
            "answers": 1,
            "assumes": [],
            "incomplete": False,
            "left_out": 0,
            "critical_path": ["storage", "db", "web"],
        },
        "simulated": False,
        "examined": None,
        "rto": None,
        "services": [_SERVICE],
        "started_by": "anna",
        "driver": "ced1:4711",
        "approval": None,
        "driven": True,
        "recorded_at": "2026-11-22T06:03:00.000Z",
        "timezone": "Europe/Rome",
        "findings": [],
    },
    "Decided": {
        "run": "town-1",
        "step": "storage",
        "decision": "approve",
        "taken": True,
        "by": "anna",
        "comment": "both controllers are green",
    },
    "Ticked": {
        "run": "town-1",
        "step": "db",
        "decision": "paper",
        "taken": True,
        "by": "anna",
        "comment": "",
        "done_at": "2026-11-22T02:40:00.000Z",
        "done_by": "Maria Rossi",
        "result": "done",
    },
    "Event": {
        "seq": 12,
        "at": "2026-11-22T06:03:00.000Z",
        "type": "step.healthy",
        "step": "db",
        "actor": "drorch",
        "data": {},
    },
    "PlanStored": {
        "plan": "town",
        "revision": 3,
        "digest": "9c1185a5c5e9fc54612808977ee8f548b2258d31d2f6b7c0f5a9f0b5c6f0b0aa",
        "title": "A small town",
        "steps": 3,
        "signed_by": None,
        "warnings": [],
    },
    "HoldPlaced": _HOLD,
    "Hold": {**_HOLD, "name": "file-server", "power": "off", "told": ""},
    "Notice": _NOTICE,
    "ServiceShown": {
        **_SERVICE,
        "state": "down",
        "derived_state": "restoring",
        "known_by": "run",
        "seen_at": None,
        "notice": _NOTICE,
    },
    "PublicStatus": {
        "at": "2026-11-22T07:01:00.000Z",
        "stale_since": None,
        "timezone": "Europe/Rome",
        "simulated": False,
        "state": "restoring",
        "services": [
            {
                "id": "anagrafe",
                "title": {"it": "Anagrafe", "en": "Civil registry"},
                "state": "restoring",
                "announced": False,
                "text": {},
                "since": "2026-11-22T06:40:00.000Z",
                "expected": {"from": "2026-11-22T08:00:00.000Z", "by": "2026-11-22T08:30:00.000Z"},
                "fallback": {"it": "Carte d'identità cartacee", "en": "Paper identity cards"},
            }
        ],
    },
    "Token": _TOKEN,
    "TokenMade": {**_TOKEN, "token": "drt_..."},
    "Halt": {
        "halted": True,
        "reason": "ransomware: find out what is infected",
        "by": "anna",
        "at": "2026-11-22T06:41:00.000Z",
    },
    "Problem": {
        "type": "/problems/plan-not-found",
        "title": "There is no such plan",
        "status": 404,
        "detail": "there is no stored plan 'twon', and no file of that name",
        "instance": "/api/v1/plans/twon",
        "code": "plan-not-found",
        "hint": "'drorch validate FILE' checks a file; the service lists stored plans",
        "request_id": "1f2e3d4c5b6a",
    },
}
