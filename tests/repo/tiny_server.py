"""A TinyVM server: what the example connector of docs/write-a-connector.md talks to."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote

BOOT = 0.05
"""Seconds from an accepted start until the machine is on."""


class TinyServer:
    """Machines by id; ``orders`` holds every one that was accepted."""

    def __init__(self) -> None:
        self.machines = {str(n): ["off", f"vm{n}"] for n in range(1, 30)}
        self.machines["99"] = ["off", "àncora-Ω"]
        self.orders: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and cut what is open; the machines live on."""
        if self._server is not None:
            self._server.close()
        for line in self._lines:
            line.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.decode().split(" ", 2)
                writer.write(self._answer(method, path))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self._lines.discard(writer)

    def _answer(self, method: str, path: str) -> bytes:
        if method == "GET":
            vms = [{"id": i, "name": n, "state": s} for i, (s, n) in self.machines.items()]
            about = {"uuid": f"tiny-{self.port}", "version": "1", "host": "tiny1", "vms": vms}
            body = json.dumps(about).encode()
            return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        _, _, machine, action = path.split("/")
        return b"HTTP/1.1 %d -\r\ncontent-length: 0\r\n\r\n" % self._order(unquote(machine), action)

    def _order(self, machine: str, action: str) -> int:
        if machine not in self.machines:
            return 404
        own = self.machines[machine]
        if (own[0] == "off") == (action == "stop"):
            return 409
        self.orders.append(f"{action} {machine}")
        own[0] = "booting" if action == "start" else "off"
        if action == "start":
            asyncio.get_running_loop().call_later(BOOT, self._booted, machine)
        return 204

    def _booted(self, machine: str) -> None:
        if self.machines[machine][0] == "booting":
            self.machines[machine][0] = "on"
