"""Build the lab's guest from Debian packages that are unpacked, never installed.

The result is kept in a cache folder: ``$DRORCH_LAB_CACHE``, or ``~/.cache/drorch-lab``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.guest.cpio import Entry, link, regular, write_initramfs
from tests.lab_gate import need, need_module

_HERE = Path(__file__).parent
_SOURCES = ("build.py", "cpio.py", "init", "healthz", "udhcpc.sh")
_KERNEL_META = "linux-image-cloud-amd64"
_MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "failover",
    "net_failover",
    "virtio_net",
    "evdev",
    "button",
    "virtio_console",
)
_LZ4_LEGACY = b"\x02\x21\x4c\x18"
_LZ4_BLOCK = 8 << 20


@dataclass(frozen=True, slots=True)
class GuestImage:
    """What a direct kernel boot needs."""

    kernel: Path
    initramfs: Path


def guest_image() -> GuestImage:
    """Return the guest, built at most once per cache folder and change of its sources."""
    busybox = Path(
        need("busybox", why="the guest's programs", install="apt-get install busybox-static")
    )
    need("dpkg-deb", why="unpacks the guest's kernel", install="a Debian or Ubuntu machine")
    need_module("lz4", why="unpacks the guest's kernel", install="pip install lz4")
    target = _cache() / f"guest-{_fingerprint()}"
    with _locked(_cache() / "lock"):
        if not target.exists():
            _build(target, busybox)
    return GuestImage(kernel=target / "vmlinux", initramfs=target / "initramfs.cpio.gz")


def _cache() -> Path:
    folder = Path(os.environ.get("DRORCH_LAB_CACHE") or Path.home() / ".cache" / "drorch-lab")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update((_HERE / name).read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(target: Path, busybox: Path) -> None:
    work = Path(tempfile.mkdtemp(prefix="building-", dir=target.parent))
    try:
        kernel = _unpacked(_current_kernel(), work)
        agent = _unpacked("qemu-guest-agent", work)
        ready = work / "ready"
        ready.mkdir()
        (ready / "vmlinux").write_bytes(_plain_kernel(next(kernel.glob("boot/vmlinuz-*"))))
        write_initramfs(ready / "initramfs.cpio.gz", _files(kernel, agent, busybox))
        ready.rename(target)
    finally:
        shutil.rmtree(work)


def _current_kernel() -> str:
    text = _run("apt-cache", "depends", _KERNEL_META, cwd=Path("/"))
    found = re.search(r"Depends: (linux-image-\S+)", text)
    assert found, f"apt-cache knows no {_KERNEL_META}; run apt-get update"
    return found[1]


def _unpacked(package: str, work: Path) -> Path:
    download = work / f"{package}.download"
    download.mkdir()
    _run("apt-get", "download", package, cwd=download)
    folder = work / package
    _run("dpkg-deb", "-x", str(next(download.glob("*.deb"))), str(folder), cwd=work)
    return folder


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def _plain_kernel(compressed: Path) -> bytes:
    """Unpack Debian's lz4 kernel: a plain ELF boots a second sooner under emulation."""
    import lz4.block

    data = compressed.read_bytes()
    start = data.find(_LZ4_LEGACY)
    assert start >= 0, f"{compressed.name} is not compressed with lz4"
    plain, position = [], start + len(_LZ4_LEGACY)
    while True:
        (size,) = struct.unpack_from("<I", data, position)
        if not 0 < size <= len(data) - position:
            break
        position += 4
        try:
            block = lz4.block.decompress(
                data[position : position + size], uncompressed_size=_LZ4_BLOCK
            )
        except lz4.block.LZ4BlockError:
            break  # what follows the last block belongs to the boot loader part
        plain.append(block)
        position += size
    kernel = b"".join(plain)
    assert kernel.startswith(b"\x7fELF"), f"{compressed.name} holds no ELF kernel"
    return kernel


def _files(kernel: Path, agent: Path, busybox: Path) -> dict[str, Entry]:
    program = agent / "usr/sbin/qemu-ga"
    files = {
        "init": regular((_HERE / "init").read_bytes(), executable=True),
        "udhcpc.sh": regular((_HERE / "udhcpc.sh").read_bytes(), executable=True),
        "www/cgi-bin/healthz": regular((_HERE / "healthz").read_bytes(), executable=True),
        "bin/busybox": regular(busybox.read_bytes(), executable=True),
        "bin/sh": link("busybox"),
        "etc/passwd": regular(b"root:x:0:0::/root:/bin/sh\n"),
        "usr/sbin/qemu-ga": regular(program.read_bytes(), executable=True),
        "modules/order": regular("\n".join(_MODULES).encode() + b"\n"),
    }
    for module in _MODULES:
        found = next(kernel.glob(f"lib/modules/*/kernel/**/{module}.ko"))
        files[f"modules/{module}.ko"] = regular(found.read_bytes())
    for library in _libraries(program):
        files[str(library).lstrip("/")] = regular(library.read_bytes(), executable=True)
    return files


def _libraries(program: Path) -> list[Path]:
    listing = _run("ldd", str(program), cwd=Path("/"))
    assert "not found" not in listing, f"the guest agent lacks libraries here: {listing}"
    return [Path(name) for name in re.findall(r"(/\S+) \(0x", listing)]
