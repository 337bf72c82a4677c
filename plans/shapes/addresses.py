"""Shapes of network addresses: hosts, host:port, web addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit

from typing_extensions import override

from plans.problems import Report
from plans.shapes.base import Definitions, JsonSchema, Shape
from plans.source.nodes import Node, Scalar, shorten

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?\Z")
_DOTTED = re.compile(r"[0-9.]+\Z")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::(.*))?\Z")
MOST_PORT = 65535
MOST_PART = 255


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``port`` is None where only the host was given."""

    host: str
    port: int | None

    @property
    def shown(self) -> str:
        return join(self.host, self.port)


def join(host: str, port: int | None) -> str:
    """Write host and port as people do, IPv6 in brackets."""
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Host(Shape[str]):
    """A host name or an IP address; brackets around IPv6 are dropped."""

    expected = "a host name or an IP address"
    part: ClassVar[str | None] = "host"

    @override
    def read(self, node: Node, report: Report) -> str | None:
        text = node.text if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        host = _host(text)
        if host is None:
            endpoint = split(text)
            hint = wrong_number(text) or "write it like 10.1.0.10, dc01.comune.example or ::1"
            if endpoint is not None and endpoint.port is not None:
                hint = f"write the port apart: host: {endpoint.host}, port: {endpoint.port}"
            self.refuse(node, report, hint, "bad-address")
        return host

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {
            "type": "string",
            "minLength": 1,
            "maxLength": 255,
            "pattern": r"^[\[\]A-Za-z0-9_.:%-]+$",
            "description": "A host name or an IP address.",
        }


class HostPort(Shape[Endpoint]):
    """``host:port``; without ``required`` the port may be left out."""

    def __init__(self, *, required: bool) -> None:
        self._required = required
        self.expected = "host:port" if required else "host or host:port"

    @override
    def read(self, node: Node, report: Report) -> Endpoint | None:
        text = node.text if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        endpoint = split(text)
        if endpoint is None:
            self.refuse(node, report, self._hint(text), "bad-address")
            return None
        if endpoint.port is None and self._required:
            self.refuse(node, report, self._port_hint(text, endpoint), "bad-address")
            return None
        if endpoint.port is not None and not 1 <= endpoint.port <= MOST_PORT:
            report.add(
                node.at,
                "out-of-range",
                f"{endpoint.port} is not a port",
                f"write a number from 1 to {MOST_PORT}",
            )
            return None
        return endpoint

    def _port_hint(self, text: str, endpoint: Endpoint) -> str:
        if ":" in text and not text.startswith("["):
            return self._hint(text)
        return f"add the port: {join(endpoint.host, 443)}"

    def _hint(self, text: str) -> str:
        if "://" in text:
            return "leave the scheme away, or use the check http"
        if text.count(":") > 1:
            return "put an IPv6 address in brackets and quote it: '[::1]:389'"
        return wrong_number(text.partition(":")[0]) or "write it like 10.1.0.10:389"

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        port = r":[0-9]{1,5}" if self._required else r"(:[0-9]{1,5})?"
        return {
            "type": "string",
            "pattern": rf"^(\[[0-9A-Fa-f:.]+\]{port}|[A-Za-z0-9_.-]+{port}"
            + (")$" if self._required else r"|[0-9A-Fa-f:.]+)$"),
            "examples": ["10.1.0.10:389"],
        }


class Url(Shape[str]):
    """A web address, http or https, without a password in it."""

    expected = "a web address such as https://10.1.1.22/health"

    @override
    def read(self, node: Node, report: Report) -> str | None:
        text = node.text if isinstance(node, Scalar) and isinstance(node.value, str) else ""
        parts = _split_url(text)
        if parts is None:
            hint = "begin with http:// or https:// and a host"
            if "://" in text:
                hint = "the check http speaks http:// and https:// only"
            elif _host(text.partition("/")[0].partition(":")[0]):
                hint = f"write https://{shorten(text)}"
            self.refuse(node, report, hint, "bad-address")
            return None
        if parts.username is not None or parts.password is not None:
            report.add(
                node.at,
                "secret-in-plan",
                "the address holds a user or a password",
                "a plan holds no secrets: probe an address that needs none",
            )
            return None
        return text

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"type": "string", "format": "uri", "pattern": "^https?://[^\\s@/?#]+([/?#]\\S*)?$"}


def wrong_number(host: str) -> str:
    """Say what makes four numbers no IP address; empty where it is something else."""
    if _DOTTED.match(host) is None:
        return ""
    parts = host.split(".")
    wrong = [part for part in parts if not part or int(part[:9]) > MOST_PART or len(part) > 3]
    if wrong and all(parts):
        return f"{wrong[0]} is not part of an IP address: each number is at most {MOST_PART}"
    return f"an IP address has four numbers, this has {len(parts)}" if len(parts) != 4 else ""


def split(text: str) -> Endpoint | None:
    """Read ``host``, ``host:port``, ``[v6]``, ``[v6]:port`` or a bare IPv6 address."""
    if bracketed := _BRACKETED.match(text):
        host, port = _host(bracketed[1]), bracketed[2]
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
        host = _host(name)
    else:
        host, port = _host(text), None
    if host is None:
        return None
    if port is None:
        return Endpoint(host, None)
    return Endpoint(host, int(port)) if re.fullmatch("[0-9]{1,9}", port) else None


def _host(text: str) -> str | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ip_address(bare)
    except ValueError:
        if bare != text or _DOTTED.match(bare) or len(bare) > 253:
            return None
        return bare if _NAME.match(bare) else None
    return bare if bare == text or isinstance(address, IPv6Address) else None


def _split_url(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and _host(parts.hostname or "") is not None
        port_fits = parts.port is None or 1 <= parts.port <= MOST_PORT
    except ValueError:
        return None
    clean = not any(c.isspace() for c in text)
    return parts if valid and port_fits and clean else None
