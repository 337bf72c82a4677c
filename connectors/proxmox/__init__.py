"""Proxmox VE: QEMU and LXC guests of a cluster or node, through its REST API and an API token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.proxmox.connector import ProxmoxConnector
from connectors.proxmox.settings import read_settings
from drorch.ports.connector import Connector


def factory(name: str, settings: Mapping[str, Any]) -> Connector:
    """Return the connector that ``[connectors.NAME]`` describes; raises `ConfigurationError`."""
    return ProxmoxConnector(name, read_settings(name, settings))
