"""Write an initramfs in the kernel's "newc" format, without root and without cpio."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

Entry = tuple[int, bytes]
"""A file's mode and content; the content of a link is where it points."""


def write_initramfs(path: Path, files: Mapping[str, Entry]) -> None:
    """Write *files*, by their path inside the guest; folders are made as needed."""
    entries = dict.fromkeys(_folders(files), (stat.S_IFDIR | 493, b""))
    entries.update(files)
    records = [
        _record(number, name, mode, content)
        for number, (name, (mode, content)) in enumerate(sorted(entries.items()), start=1)
    ]
    archive = b"".join([*records, _record(0, "TRAILER!!!", 0, b"")])
    path.write_bytes(gzip.compress(archive, compresslevel=1, mtime=0))


def regular(content: bytes, *, executable: bool = False) -> Entry:
    return stat.S_IFREG | (0o755 if executable else 0o644), content


def link(target: str) -> Entry:
    return stat.S_IFLNK | 0o777, target.encode()


def _folders(files: Mapping[str, Entry]) -> Iterator[str]:
    for name in files:
        for parent in PurePosixPath(name).parents:
            if str(parent) != ".":
                yield str(parent)


def _record(number: int, name: str, mode: int, content: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + encoded) + _padded(content)


def _padded(block: bytes) -> bytes:
    return block + b"\0" * (-len(block) % 4)
