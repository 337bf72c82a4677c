"""The API over real TLS: one listener for each endpoint, every request logged as it arrives."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import ssl
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from typing_extensions import override

from tests.proxmox.fake_pve import routes
from tests.proxmox.fake_pve.replies import ApiError, CutError
from tests.proxmox.fake_pve.tasks import Task
from tests.proxmox.fake_pve.world import Fault, Token, World


class Cluster:
    """Holds the world, so that it can be exchanged for a fresh one between tests."""

    def __init__(self, world: World) -> None:
        self.world = world


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], cluster: Cluster, node: str, tls: ssl.SSLContext | None
    ) -> None:
        self.cluster = cluster
        self.node = node
        self.open: set[socket.socket] = set()
        self._tls = tls
        super().__init__(address, Handler)

    @override
    def get_request(self) -> tuple[Any, Any]:
        connection, peer = super().get_request()
        connection.settimeout(5)  # pveproxy ends idle connections after 5 s
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self.open.add(connection)
        return connection, peer

    @override
    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news here."""

    def cut_all(self) -> None:
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class Listener:
    """One endpoint that can be switched off and on again on the same port."""

    def __init__(self, cluster: Cluster, node: str, tls: ssl.SSLContext | None) -> None:
        self._cluster, self._node, self._tls = cluster, node, tls
        self.port = 0
        self._server: Server | None = None
        self.up()

    def up(self) -> None:
        if self._server is None:
            address = ("127.0.0.1", self.port)
            self._server = Server(address, self._cluster, self._node, self._tls)
            self.port = self._server.server_address[1]
            self._serve(self._server)

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut_all()
            self._server = None

    @staticmethod
    def _serve(server: Server) -> None:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """The world's log is kept instead."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        world = self.server.cluster.world
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        split = urlsplit(self.path)
        path = unquote(split.path).removeprefix("/api2/json")
        fields = dict(parse_qsl(split.query) + parse_qsl(body))
        entry = self._log(world, path)
        try:
            data = self._answer(world, path, fields)
        except CutError:
            self.close_connection = True
            return
        except ApiError as error:
            entry["status"] = error.status
            self._fail(world, error)
        else:
            entry["status"] = 200
            self._send(200, "OK", json.dumps({"data": data}), world)

    def _log(self, world: World, path: str) -> dict[str, Any]:
        found = re.match(r"/nodes/([^/]+)/", path)
        entry = {
            "at": time.time(),
            "method": self.command,
            "path": path,
            "node": found[1] if found else "",
            "contact": self.server.node,
            "token": bool(self.headers.get("Authorization")),
            "status": 0,
        }
        with world.lock:
            world.log.append(entry)
        return entry

    def _answer(self, world: World, path: str, fields: dict[str, str]) -> Any:
        token = self._authenticate(world)
        call = routes.Call(world, token, self.server.node, path, fields)
        with world.lock:
            fault = world.take_fault(self.command, path)
        if fault is not None:
            return self._misbehave(world, call, fault)
        with world.lock:
            return routes.answer(call, self.command)

    def _authenticate(self, world: World) -> Token:
        header = self.headers.get("Authorization") or ""
        if not header:
            raise ApiError(401, "No ticket")
        identity, _, secret = header.removeprefix("PVEAPIToken=").partition("=")
        token = world.tokens.get(identity)
        if token is None or token.secret != secret:
            threading.Event().wait(world.auth_delay)
            raise ApiError(401, "invalid token value!")
        return token

    def _misbehave(self, world: World, call: routes.Call, fault: Fault) -> Any:
        if fault.kind == "drop":
            raise CutError
        if fault.kind == "status":
            self._maybe_body(fault, world)
            raise ApiError(fault.status, fault.reason)
        if fault.kind == "raw":
            self._send(200, "OK", fault.body or "", world)
            raise CutError
        if fault.kind == "late":
            world.later(fault.seconds, routes.answer, call, self.command)
            raise ApiError(596, "Connection timed out")
        if fault.kind == "no-upid":
            self._kill_worker(world, call.path, call.token)
            raise ApiError(500, "got no worker upid - start worker failed")
        if fault.kind == "hang":
            threading.Event().wait(fault.seconds)
        with world.lock:
            data = routes.answer(call, self.command)
        if fault.kind == "lost":
            raise CutError
        return data

    def _maybe_body(self, fault: Fault, world: World) -> None:
        if fault.body is not None:
            self._send(fault.status, fault.reason, fault.body, world)
            raise CutError

    @staticmethod
    def _kill_worker(world: World, path: str, token: Token) -> None:
        _, _, node, kind, vmid, *_ = path.split("/")
        name = "qmstart" if kind == "qemu" else "vzstart"
        with world.lock:
            task = Task(node, name, vmid, token.id, world.now())
            world.tasks[task.upid] = task
            task.finish("unable to read tail (got 0 bytes)", world.now())

    def _fail(self, world: World, error: ApiError) -> None:
        if error.status == 401 or error.status >= 595:
            self._send(error.status, error.reason, "", world)
            return
        body: dict[str, Any] = {"data": None, "message": error.reason + "\n"}
        if error.errors:
            body["errors"] = error.errors
        self._send(error.status, error.reason, json.dumps(body), world)

    def _send(self, status: int, reason: str, body: str, world: World) -> None:
        payload = body.encode()
        self.send_response_only(status, reason)
        self.send_header("Server", "pve-api-daemon/3.0")
        self.send_header("Date", formatdate(world.now(), usegmt=True))
        self.send_header("Content-Type", "application/json;charset=UTF-8")
        self.send_header("Content-Length", str(len(payload)))
        if 300 <= status < 400:
            self.send_header("Location", "/api2/json/version")
        self.send_header("Connection", "close" if status >= 400 else "Keep-Alive")
        self.close_connection = status >= 400
        self.end_headers()
        self.wfile.write(payload)
        self.wfile.flush()
