"""Worker tasks: a UPID at once, the outcome later, and only in the task."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

_pids = itertools.count(0x7762)


@dataclass
class Task:
    node: str
    kind: str
    vmid: str
    user: str
    start: float
    pid: int = field(default_factory=lambda: next(_pids))
    exit: str | None = None
    end: float | None = None
    log: list[str] = field(default_factory=list)

    @property
    def upid(self) -> str:
        return (
            f"UPID:{self.node}:{self.pid:08X}:{self.pid * 7:08X}:{int(self.start):08X}"
            f":{self.kind}:{self.vmid}:{self.user}:"
        )

    def finish(self, status: str, now: float) -> None:
        if self.exit is None:
            self.exit, self.end = status, now
            if status.startswith("unable to read tail"):
                return
            word = "OK" if status == "OK" else f"ERROR: {status}"
            self.log.append(f"TASK {status if status.startswith('WARNINGS') else word}")

    def common(self) -> dict[str, Any]:
        user, _, token = self.user.partition("!")
        row = {
            "upid": self.upid,
            "node": self.node,
            "pid": self.pid,
            "pstart": self.pid * 7,
            "starttime": int(self.start),
            "type": self.kind,
            "id": self.vmid,
            "user": user,
        }
        return row | ({"tokenid": token} if token else {})

    def status_view(self) -> dict[str, Any]:
        if self.exit is None:
            return self.common() | {"status": "running"}
        return self.common() | {"status": "stopped", "exitstatus": self.exit}

    def list_view(self) -> dict[str, Any]:
        if self.exit is None:
            return self.common() | {"status": "RUNNING"}
        return self.common() | {"status": self.exit, "endtime": int(self.end or 0)}

    def log_view(self, start: int, limit: int) -> list[dict[str, Any]]:
        lines = self.log or ["no content"]
        rows = [{"n": n, "t": line} for n, line in enumerate(lines, 1)]
        return rows[start:] if limit == 0 else rows[start : start + limit]
