"""A real libvirtd of the lab's own, started by hand, that can be killed, frozen and restarted.

It runs as an unprivileged per-user daemon with every folder of its own, so that nothing of this
machine's libvirt is read, changed or needed, and several labs may run side by side.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.libvirt.binding import library
from connectors.libvirt.events import start_event_loop
from tests.lab.waiting import wait_until
from tests.lab_gate import need, need_module

_INSTALL = "apt-get install libvirt-daemon-system libvirt-daemon-driver-qemu qemu-system-x86"
_CONFIG = """\
unix_sock_dir = "{folder}/sock"
unix_sock_rw_perms = "0777"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "{host_uuid}"
log_filters = "1:libvirt.domain"
log_outputs = "1:file:{folder}/libvirtd.log"
"""
_REAPER = Path(__file__).with_name("reaper.py")
_ACCOUNT = "nobody"
"""As root the daemon runs as this account: for root there is no per-user daemon."""


class LabLibvirtd:
    """One daemon and its folder. Guests outlive the daemon, as in earnest; `close` ends them."""

    def __init__(self, *arguments: str, more_config: str = "") -> None:
        """*arguments* and *more_config* go to libvirtd; ``{folder}`` is the lab's folder."""
        # Else the client of a user other than root starts a daemon itself where it finds none.
        os.environ["LIBVIRT_AUTOSTART"] = "0"
        need("qemu-system-x86_64", why="real guests", install=_INSTALL)
        self._program = need("libvirtd", why="a real hypervisor service", install=_INSTALL)
        need_module(
            "libvirt",
            why="the libvirt client",
            install="apt-get install gcc libvirt-dev pkg-config; pip install libvirt-python",
        )
        # Short: a socket's path holds 107 characters, and qemu's own are deep below this.
        self.folder = Path(tempfile.mkdtemp(prefix="drlab-", dir="/tmp"))
        self.folder.chmod(0o755)
        self._pid: int | None = None
        self._arguments = arguments
        self._config = _CONFIG + more_config
        self._reapers: list[subprocess.Popen[bytes]] = []
        self._prepare()

    @property
    def socket(self) -> Path:
        return self.folder / "sock/libvirt-sock"

    @property
    def uri(self) -> str:
        return self.uri_of(self.socket)

    def uri_of(self, socket: Path) -> str:
        """Return the URI that reaches the daemon through *socket*."""
        return f"qemu+unix:///session?socket={socket}"

    def log(self) -> str:
        """Return the daemon's own log, which names every call about a domain."""
        return (self.folder / "libvirtd.log").read_text(errors="replace")

    @property
    def settings(self) -> dict[str, Any]:
        """The table ``[connectors.NAME]`` of a drorch.toml that uses this daemon."""
        return {"type": "libvirt", "uri": self.uri}

    def _prepare(self) -> None:
        for name in ("sock", "config/libvirt", "run", "cache", "home", "guests"):
            (self.folder / name).mkdir(parents=True)
        config = self._config.format(folder=self.folder, host_uuid=uuid.uuid4())
        (self.folder / "libvirtd.conf").write_text(config)
        # Else qemu's output needs virtlogd, a second daemon.
        (self.folder / "config/libvirt/qemu.conf").write_text('stdio_handler = "file"\n')
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, user=_ACCOUNT)

    def adopt(self, source: Path) -> Path:
        """Copy *source* to where the daemon's account can read it."""
        target = self.folder / source.name
        shutil.copyfile(source, target)
        target.chmod(0o644)
        return target

    def start(self) -> None:
        """Start the daemon and return when it answers."""
        assert not self.alive, "the lab's libvirtd runs already"
        uid, gid = _account()
        command = [self._program, "-f", f"{self.folder}/libvirtd.conf", "-p", f"{self.folder}/pid"]
        command += self._arguments
        with (self.folder / "output").open("ab") as output:
            reaper = subprocess.Popen(
                [sys.executable, str(_REAPER), str(uid), str(gid), *command],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        assert reaper.stdout is not None
        self._pid = int(reaper.stdout.readline())
        reaper.stdout.close()
        self._reapers.append(reaper)
        wait_until(self._answers, within=30, what="the lab's libvirtd to answer")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": f"{self.folder}/home",
            "XDG_CONFIG_HOME": f"{self.folder}/config",
            "XDG_RUNTIME_DIR": f"{self.folder}/run",
            "XDG_CACHE_HOME": f"{self.folder}/cache",
        }

    def _answers(self) -> bool:
        libvirt = library()
        assert self.alive, self.log()
        try:
            with self.connection() as connection:
                return bool(connection.isAlive())
        except libvirt.libvirtError:
            return False

    @property
    def alive(self) -> bool:
        return self._pid is not None and Path(f"/proc/{self._pid}").exists()

    def kill(self) -> None:
        """End the daemon as a crash does (SIGKILL); its guests go on."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.alive:
            self._signal(how)
            wait_until(lambda: not self.alive, within=30, what="the lab's libvirtd to end")
        self._pid = None

    def _signal(self, what: signal.Signals) -> None:
        assert self._pid is not None, "the lab's libvirtd does not run"
        os.kill(self._pid, what)

    def restart(self) -> None:
        """Kill the daemon if it runs, and start a new one."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """Stop the daemon without closing its sockets: it accepts and stays silent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """Open a connection of the test's own."""
        libvirt = library()
        start_event_loop()
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def guest_pid(self, domain: str) -> int:
        """Return the process id of a running guest's qemu."""
        return int((self._run / f"{domain}.pid").read_text())

    def saved_state(self, domain: str) -> Path:
        """Return the file whose presence makes the next start of *domain* a resume."""
        return self.folder / "config/libvirt/qemu/save" / f"{domain}.save"

    @property
    def _run(self) -> Path:
        return self.folder / "run/libvirt/qemu/run"

    def close(self) -> None:
        """End the daemon and every guest, and remove the folder."""
        self._end(signal.SIGKILL)
        for pid_file in self._run.glob("*.pid"):
            _kill_qemu(int(pid_file.read_text()))
        for reaper in self._reapers:
            reaper.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


def _account() -> tuple[int, int]:
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    account = pwd.getpwnam(_ACCOUNT)
    return account.pw_uid, account.pw_gid


def _kill_qemu(pid: int) -> None:
    """Kill *pid* if it is still a qemu: a stale file may name somebody else's process by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"qemu" in command:
            os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return
