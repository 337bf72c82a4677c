"""Libvirt hosts (QEMU/KVM); importable without the libvirt binding, which is an optional extra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.libvirt.connector import LibvirtConnector
from connectors.libvirt.settings import parse_settings
from drorch.ports.connector import Connector


def factory(name: str, table: Mapping[str, Any]) -> Connector:
    """Return the connector that the table ``[connectors.NAME]`` describes, not yet opened."""
    return LibvirtConnector(name, parse_settings(name, table))
