"""Looks for secrets where none belongs: in whatever the test-suite wrote.

Tests use well-known values wherever drorch is given a secret, and note those that drorch makes.
When the tests are over, each process of them searches its folder and its captured output.
"""

from __future__ import annotations

import base64
import json
import mmap
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

from tests.api.people import PASSWORD
from tests.checks.asking import SECRET as CHECK_SECRET
from tests.fakes.receiver import OTHER
from tests.fakes.receiver import SECRET as WEBHOOK_SECRET
from tests.proxmox.cluster import SECRET as HYPERVISOR_SECRET

KNOWN = {
    "a hypervisor's token": HYPERVISOR_SECRET,
    "a check's password": CHECK_SECRET,
    "a web hook's secret": WEBHOOK_SECRET,
    "a web hook's other secret": OTHER,
    "a person's password": PASSWORD,
}
HOMES = ("token", "secret", "password", "*.secret")
"""Names of files that are a secret's own home: a fixture put it there for drorch to read."""
_TOKEN = re.compile(rb"drt_[0-9a-z]{8}_[0-9A-Za-z]{43}_[0-9a-f]{8}")
_SHORTEST = 8


class Canaries:
    """What must be found nowhere, by its name."""

    def __init__(self, known: dict[str, str]) -> None:
        self._needles: dict[bytes, str] = {}
        self.found: list[str] = []
        for name, value in known.items():
            self.note(name, value)

    def note(self, name: str, value: str) -> None:
        """Look for *value*, too, however it is written."""
        assert len(value) >= _SHORTEST, "what is so short is found everywhere"
        for written in _spellings(value):
            self._needles[written] = name

    def look(self, folder: Path) -> None:
        """Search every file under *folder*, except the homes of secrets."""
        for path in _files(folder):
            for name in self.within(path):
                self.found.append(f"{path}: {name}")

    def look_into(self, where: str, text: str) -> None:
        """Search what was captured of a test."""
        for name in self._names(text.encode("utf-8", "replace")):
            self.found.append(f"{where}: {name}")

    def within(self, path: Path) -> list[str]:
        """Return the names of what stands in a file."""
        try:
            with path.open("rb") as file:
                if not path.stat().st_size:
                    return []
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    return self._names(content)
        except (OSError, ValueError):
            return []  # it is gone, or a file of a kind that holds nothing

    def _names(self, content: bytes | mmap.mmap) -> list[str]:
        names = {name for needle, name in self._needles.items() if content.find(needle) >= 0}
        if content.find(b"drt_") >= 0 and _TOKEN.search(content):
            names.add("a token of drorch")
        return sorted(names)


def _spellings(value: str) -> Iterator[bytes]:
    """Yield *value* as it is, as JSON and URLs have it, and in base64."""
    plain = value.encode()
    yield plain
    yield json.dumps(value)[1:-1].encode()
    yield quote(value, safe="").encode()
    yield base64.b64encode(plain)


def _files(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        is_home = any(fnmatch(path.name, home) for home in HOMES)
        if path.is_file() and not path.is_symlink() and not is_home:
            yield path


CANARIES = Canaries(KNOWN)
