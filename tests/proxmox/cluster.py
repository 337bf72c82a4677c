"""The fake cluster as a test holds it: a process of its own, commanded over its control port."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from connectors.proxmox.connector import ProxmoxConnector
from connectors.proxmox.settings import read_settings
from drorch.ports.connector import Connector
from tests.proxmox.certificates import Certificate, make_certificate

ROOT = Path(__file__).parents[2]
TOKEN = "drorch@pve!recovery"
SECRET = "6f1c9a1e-5ec7-4b0b-9d53-2c77d1e5a0aa"
RIGHTS = {
    "/vms": ["VM.Audit", "VM.PowerMgmt", "VM.Monitor", "VM.GuestAgent.Audit"],
    "/": ["Sys.Audit", "Datastore.Audit"],
}
NODES = ("pve1", "pve2")


class FakeCluster:
    """Two nodes with an endpoint each, pve1 and pve2, and as many nodes more as a world has."""

    def __init__(self, folder: Path) -> None:
        self.certificates = {name: make_certificate(folder, name) for name in NODES}
        self.secret_file = folder / "token"
        self.secret_file.write_text(SECRET + "\n")
        endpoints = [
            {"node": name, "cert": str(made.cert), "key": str(made.key)}
            for name, made in self.certificates.items()
        ]
        endpoints.append({"node": "plain"})
        start = json.dumps({"endpoints": endpoints, "world": {}})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proxmox.fake_pve", start],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.ports: dict[str, int] = told["ports"]
        self._control = socket.create_connection(("127.0.0.1", told["control"]), 10)
        self._lines = self._control.makefile("rw")

    def stop(self) -> None:
        self._lines.close()
        self._control.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def do(self, action: str, **values: Any) -> Any:
        self._lines.write(json.dumps({"do": action, **values}) + "\n")
        self._lines.flush()
        return json.loads(self._lines.readline())

    def reset(self, *guests: dict[str, Any], nodes: int = 2, **world: Any) -> None:
        """Begin anew with *guests* and a token that may do what it needs."""
        names = [f"pve{number}" for number in range(1, nodes + 1)]
        told = {
            "nodes": [{"name": name, "fingerprint": self._shown(name)} for name in names],
            "guests": list(guests),
            "tokens": [
                {"id": TOKEN, "secret": SECRET, "user_rights": RIGHTS, "token_rights": RIGHTS}
            ],
        }
        self.do("reset", world=told | world)

    def _shown(self, name: str) -> str:
        made = self.certificates.get(name)
        plain = made.fingerprint if made else "00" * 32
        return ":".join(plain[i : i + 2] for i in range(0, 64, 2)).upper()

    def guest(self, vmid: int | str, **values: Any) -> dict[str, Any]:
        """Change a guest behind the cluster's back and return what it is now."""
        answer: dict[str, Any] = self.do("guest", vmid=str(vmid), **values)
        return answer

    def log(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.do("log")
        return [e for e in entries if path in e["path"] and method in {"", e["method"]}]

    def orders(self, vmid: int | str = "", action: str = "") -> list[dict[str, Any]]:
        """The orders that arrived, whatever became of them."""
        return [
            e
            for e in self.log("POST", f"/{vmid}/status/" if vmid else "/status/")
            if e["path"].endswith(action)
        ]

    def endpoint(self, name: str = "pve1") -> str:
        return f"127.0.0.1:{self.ports[name]}"

    def table(self, *endpoints: str, **changes: Any) -> dict[str, Any]:
        names = endpoints or ("pve1",)
        table: dict[str, Any] = {
            "endpoints": [self.endpoint(name) for name in names],
            "token_id": TOKEN,
            "token_secret": {"file": str(self.secret_file)},
            "fingerprint": [made.fingerprint for made in self.certificates.values()],
            "read_timeout": 5,
        }
        table |= changes
        return {key: value for key, value in table.items() if value is not None}

    def connector(self, *endpoints: str, **changes: Any) -> Connector:
        """Return a connector that does not hold back, so that tests are quick."""
        table = self.table(*endpoints, **changes)
        return ProxmoxConnector("pve", read_settings("pve", table), observing_calls=100)

    @property
    def certificate(self) -> Certificate:
        return self.certificates["pve1"]


def vm(vmid: int, **values: Any) -> dict[str, Any]:
    return {"vmid": vmid, "name": f"vm{vmid}", **values}


def ct(vmid: int, **values: Any) -> dict[str, Any]:
    return {"vmid": vmid, "name": f"ct{vmid}", "kind": "lxc", **values}
