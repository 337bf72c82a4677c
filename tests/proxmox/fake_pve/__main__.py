"""``python -m tests.proxmox.fake_pve START``: START is JSON with ``endpoints`` and ``world``.

Each endpoint is ``{"node", "cert", "key"}``; without ``cert`` it speaks plain HTTP. Prints one
line of JSON with the ports, then serves until its standard input ends. The control port takes
one JSON object for each line and answers one.
"""

from __future__ import annotations

import json
import socketserver
import ssl
import sys
import threading
from typing import Any

from typing_extensions import override

from tests.proxmox.fake_pve.server import Cluster, Listener
from tests.proxmox.fake_pve.world import Fault, World


class Control:
    """What the tests may do to the cluster behind its back."""

    def __init__(self, cluster: Cluster, listeners: dict[str, Listener]) -> None:
        self.cluster = cluster
        self.listeners = listeners

    def do(self, command: dict[str, Any]) -> Any:
        action = command.pop("do")
        with self.cluster.world.lock:
            return getattr(self, f"do_{action}")(**command)

    def do_reset(self, world: dict[str, Any]) -> None:
        self.cluster.world.dead = True
        self.cluster.world = World(world)
        for listener in self.listeners.values():
            listener.up()

    def do_set(self, **values: Any) -> None:
        for key, value in values.items():
            setattr(self.cluster.world, key, value)

    def do_guest(self, vmid: str, **values: Any) -> dict[str, Any]:
        guest = self.cluster.world.guests[vmid]
        for key, value in values.items():
            setattr(guest, key, value)
        return dict(vars(guest))

    def do_remove(self, vmid: str) -> None:
        del self.cluster.world.guests[vmid]

    def do_node(self, name: str, online: bool | None = None, **values: Any) -> None:
        if online is not None:
            self.cluster.world.set_online(name, online)
        for key, value in values.items():
            setattr(self.cluster.world.nodes[name], key, value)

    def do_fault(self, **values: Any) -> None:
        self.cluster.world.faults.append(Fault(**values))

    def do_tasks(self) -> list[dict[str, Any]]:
        return [task.status_view() for task in self.cluster.world.tasks.values()]

    def do_forget_tasks(self) -> None:
        self.cluster.world.tasks.clear()

    def do_end_task(self, upid: str, status: str) -> None:
        world = self.cluster.world
        world.tasks[upid].finish(status, world.now())

    def do_log(self) -> list[dict[str, Any]]:
        return list(self.cluster.world.log)

    def do_endpoint(self, node: str, up: bool) -> None:
        (self.listeners[node].up if up else self.listeners[node].down)()


class ControlServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    control: Control


class ControlHandler(socketserver.StreamRequestHandler):
    server: ControlServer

    @override
    def handle(self) -> None:
        for line in self.rfile:
            answer = self.server.control.do(json.loads(line))
            self.wfile.write(json.dumps(answer).encode() + b"\n")


def main() -> None:
    start = json.loads(sys.argv[1])
    cluster = Cluster(World(start["world"]))
    listeners = {e["node"]: Listener(cluster, e["node"], _tls(e)) for e in start["endpoints"]}
    server = ControlServer(("127.0.0.1", 0), ControlHandler)
    server.control = Control(cluster, listeners)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ports = {node: listener.port for node, listener in listeners.items()}
    print(json.dumps({"ports": ports, "control": server.server_address[1]}), flush=True)
    sys.stdin.read()


def _tls(endpoint: dict[str, str]) -> ssl.SSLContext | None:
    if "cert" not in endpoint:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(endpoint["cert"], endpoint["key"])
    return context


if __name__ == "__main__":
    main()
