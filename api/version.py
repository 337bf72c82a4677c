"""The version of drorch that is installed, as every face tells it."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("drorch")
