"""Serve the PyPI package ``fakepve`` with what its command line cannot set: API tokens.

``python tests/proxmox/fakepve_process.py START``: START is JSON with ``cert``, ``key``, ``token``,
``secret`` and ``guests``. Prints one line of JSON with the port; then each line of standard
input is one JSON command, answered by one line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fakepve import FakePve


def make(start: dict[str, Any]) -> Any:
    pve = FakePve(host="127.0.0.1", port=0)
    pve.time_scale = 1.0
    for guest in start["guests"]:
        kind = guest.pop("kind", "qemu")
        extra = {key: guest.pop(key) for key in ("start_secs", "ha_state") if key in guest}
        made = (pve.add_vm if kind == "qemu" else pve.add_ct)(guest.pop("vmid"), **guest)
        for key, value in extra.items():
            setattr(made, key, value)
    pve.apitokens[start["token"]] = start["secret"]
    for path, rights in start["rights"].items():
        pve.grant(start["token"], path, *rights)
    return pve


def carry_out(pve: Any, command: dict[str, Any]) -> Any:
    action = command.pop("do")
    if action == "requests":
        return [[str(part) for part in entry[:2]] for entry in map(_as_pair, pve.requests)]
    if action == "guest":
        for key, value in command["values"].items():
            setattr(pve.guest(command["vmid"]), key, value)
        return None
    getattr(pve, action)(*command.get("args", ()), **command.get("kwargs", {}))
    return None


def _as_pair(entry: Any) -> tuple[Any, ...]:
    return tuple(entry) if isinstance(entry, (list, tuple)) else tuple(entry.values())


async def main() -> None:
    start = json.loads(sys.argv[1])
    pve = make(start)
    await pve.start(start["cert"], start["key"])
    print(json.dumps({"port": pve.port}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(carry_out(pve, json.loads(line))), flush=True)
    await pve.stop()


if __name__ == "__main__":
    asyncio.run(main())
