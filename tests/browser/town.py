"""A small town: its fleet, its plan, and one run of each kind in the middle of its story."""

from __future__ import annotations

from typing import Any

from tests.browser.site import Site

FLEET: dict[str, Any] = {
    "latency": "1ms",
    "hosts": {"pve1": {}, "pve2": {}},
    "machines": [
        {"id": 100 + n, "name": name, "host": f"pve{1 + n % 2}", "boot": "200ms", "app": "100ms"}
        for n, name in enumerate(
            ("dc01", "dns01", "db", "web", "mail", "files", "stuck", "late"), 1
        )
    ],
}

_CONTACTS = {
    "desk": {
        "name": "Ufficio <i>reperibilità</i>",
        "phone": "+39 0523 00 00",
        "email": "d@example",
    },
    "vendor": {"name": "Application vendor", "phone": "+39 02 000"},
}
_SERVICES = {
    "registry": {
        "title": {"it": "Anagrafe e Stato Civile", "en": "Civil registry"},
        "tier": 1,
        "rto": "20m",
        "open_by": "08:15",
        "steps": ["web"],
        "contact": "vendor",
        "fallback": {"it": "Carta d'identità cartacea", "en": "Paper identity cards"},
    },
    "mail": {"title": {"it": "Posta", "en": "Mail"}, "tier": 2, "rto": "1h", "steps": ["mail"]},
    "files": {"title": {"it": "Documenti", "en": "Files"}, "tier": 3, "steps": ["files", "stuck"]},
}


def plan(name: str = "town", *, stuck: bool = True) -> dict[str, Any]:
    """Return the plan; with *stuck*, one application never gets well."""
    check: list[Any] = [{"agent": {}}]
    steps: dict[str, Any] = {
        "san": {
            "manual": {
                "ask": "Are both storage controllers online, and all paths green?",
                "assign": "desk",
                "timeout": "30m",
            },
            "group": "core",
        },
        "dc01": {"vm": 101, "depends_on": ["san"], "group": "core", "verify": check},
        "dns01": {"vm": 102, "depends_on": ["san"], "group": "core", "verify": check},
        "db": {"vm": 103, "depends_on": ["core"], "verify": check, "contact": "vendor"},
        "web": {"vm": 104, "depends_on": ["db"], "verify": check, "title": "Registry front end"},
        "mail": {"vm": 105, "depends_on": ["core"], "verify": check},
        "files": {"vm": 106, "depends_on": [{"step": "db", "when": "started"}], "verify": check},
        "late": {"vm": 108, "depends_on": ["web", "mail"], "verify": check},
        "tell": {"wait": "1s", "depends_on": ["late"]},
    }
    if stuck:
        steps["stuck"] = {
            "vm": 107,
            "depends_on": ["core"],
            "verify": check,
            "verify_timeout": "1s",
            "contact": "vendor",
        }
    services = {k: v for k, v in _SERVICES.items() if stuck or k != "files"}
    return {
        "drorch": 1,
        "plan": name,
        "title": "A small town",
        "owner": "desk",
        "rto": "1h",
        "defaults": {
            "connector": "sim",
            "retry": {"attempts": 1, "wait": "1s"},
            "expect": "5s",
        },
        "limits": {"parallel": 4, "per_host": 3},
        "contacts": _CONTACTS,
        "services": services,
        "groups": {"core": {"title": "Core infrastructure"}},
        "steps": steps,
    }


def half_way(site: Site, name: str = "town") -> str:
    """Begin a live run and stop where an application is stuck and one question is open."""
    site.fault(107, "app_never")
    site.store(plan(name))
    run = site.start(name, "live", reason="Blackout in the night")
    site.stands(run, "san", "waiting")
    site.call("POST", f"/runs/{run}/steps/san/approve", {"comment": "all green"})
    site.stands(run, "stuck", "waiting")
    return run
