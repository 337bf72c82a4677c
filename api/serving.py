"""``drorch serve``: two processes over one store, and the parent that keeps both alive.

The engine drives runs; the HTTP side answers people. Nothing that readers do can delay a
recovery, and when either dies the other goes on while the parent starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import structlog

from api import logs
from api.answering import answers, reached
from api.bootstrap import ENGINE, Application
from api.entrance import look_at_entrance, tell_entrance
from api.lookout import keep_lookout
from api.metrics.exchange import shown
from api.metrics.figures import Figures
from api.outgoing import keep_telling
from api.presence import be_present, own_address
from api.serving_rules import BACKLOG, refuse_unsafe, tls_files
from api.serving_tls import answering_tls, keep_renewed, renew_if_due, trust_in_own
from api.settings import Settings
from drorch.errors import ConfigurationError
from drorch.failpoints import arm_from_environment
from drorch.journal.pages import open_runs
from drorch.journal.sqlite import SqliteBackend

log = structlog.get_logger()

ROOT = Path(__file__).parents[1]
FIRST_BACK_OFF = 0.2
LONGEST_BACK_OFF = 5.0
STEADY_AFTER = 10.0
"""Seconds after which a child counts as well again and its back-off begins anew."""
END_WITHIN = 5.0
"""Seconds that a child gets to end; then it is killed, which costs nothing but is not nice."""
_READY_EVERY = 0.05
_STDIN = 0
_NICE = 5
"""How much the HTTP side steps back where both want the processor: the recovery goes first."""
_PORT_PATIENCE = 2.5
"""Seconds to wait for a port: the children of a service that was just killed may hold it."""


def serve(settings: Settings, listening: Callable[[str], None] | None = None) -> int:
    """Run the service until SIGTERM or SIGINT, and return 0.

    *listening* is called with the address once it answers and an engine drives runs; by default
    one line is printed. Raises `ConfigurationError` for an address beyond loopback, a port that
    cannot be used, or a configuration that would fail later, and `JournalUnavailableError`.
    """
    logs.configure(settings.server.log_format, settings.server.log_level)
    refuse_unsafe(settings)
    renew_if_due(settings)
    answering_tls(settings)
    interrupted = _try_out(settings)
    with _listener(settings) as listener:
        service = _Service(settings, listener, listening or _announce)
        if listening is None:
            _tell_beginning(service.url, interrupted)
        return asyncio.run(service.run())


def _try_out(settings: Settings) -> Sequence[str]:
    """Say now what is wrong with the configuration, rather than in a child again and again.

    Return the open runs that nobody drives: the service carries them on.
    """
    return asyncio.run(_interrupted(settings))


async def _interrupted(settings: Settings) -> Sequence[str]:
    app = Application(settings)
    try:
        if isinstance(app.store.backend, SqliteBackend):
            app.store.backend.refuse_damaged()
        tell_entrance(await look_at_entrance(app))
        return await app.leases.free([line.id for line in await open_runs(app.store)])
    finally:
        await app.leases.close()
        app.store.close()


def _listener(settings: Settings) -> socket.socket:
    """Return the socket that both lives of the HTTP side share: a restart refuses nobody."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    until = time.monotonic() + _PORT_PATIENCE
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if time.monotonic() < until and error.errno == errno.EADDRINUSE:
                threading.Event().wait(_READY_EVERY)
                continue
            raise ConfigurationError(
                f"cannot listen on {host} port {port}: {error.strerror}",
                hint="is another 'drorch serve' running? End it, or choose another [server] port "
                "(DRORCH_SERVER__PORT)",
            ) from error


def _announce(url: str) -> None:
    sys.stdout.write(f"drorch serves on {url} (pages), {url}/api/v1 (REST), {url}/docs\n")
    sys.stdout.flush()


def _tell_beginning(url: str, interrupted: Sequence[str]) -> None:
    """Say at once where it will be: to stderr, as whoever waits for stdout waits for an answer."""
    told = [f"drorch starts on {url}, and answers there within seconds"]
    if interrupted:
        many = f"{len(interrupted)} interrupted run{'s' if len(interrupted) > 1 else ''}"
        verb = "are" if len(interrupted) > 1 else "is"
        told.append(f"{many} {verb} carried on: {', '.join(interrupted)}")
    sys.stderr.write("\n".join(told) + "\n")
    sys.stderr.flush()


class _Service:
    """The parent: it starts the two children, starts them again, and ends them."""

    def __init__(
        self, settings: Settings, listener: socket.socket, listening: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._listening = listening
        self._ending = asyncio.Event()

    @property
    def url(self) -> str:
        host = self._settings.server.host
        # An address that stands for all leads nowhere from another machine.
        name = host if reached(host) == host else socket.gethostname()
        shown = f"[{name}]" if ":" in name else name
        scheme = "http" if tls_files(self._settings) is None else "https"
        return f"{scheme}://{shown}:{self._listener.getsockname()[1]}"

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        keeping = [
            asyncio.create_task(self._keep("engine")),
            asyncio.create_task(self._keep("http", self._listener.fileno())),
        ]
        besides = [
            asyncio.create_task(self._tell_when_ready()),
            asyncio.create_task(keep_renewed(self._settings)),
        ]
        await self._ending.wait()
        for task in besides:
            task.cancel()
        await asyncio.gather(*keeping)
        return 0

    async def _keep(self, role: str, *descriptors: int) -> None:
        """Keep one child alive until the service ends."""
        back_off = FIRST_BACK_OFF
        loop = asyncio.get_running_loop()
        while not self._ending.is_set():
            began = loop.time()
            code = await self._live(role, descriptors)
            if self._ending.is_set():
                return
            if loop.time() - began > STEADY_AFTER:
                back_off = FIRST_BACK_OFF
            log.warning("child.died", role=role, code=code, again_in=back_off)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF)

    async def _live(self, role: str, descriptors: tuple[int, ...]) -> int:
        """Return the exit code of one life of a child. Its stdin ends when this process does."""
        arguments = [role, *(str(d) for d in descriptors)]
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "api.serving", *arguments),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which ends both in order
            env={**os.environ, "PYTHONPATH": _python_path()},
        )
        log.info("child.started", role=role, pid=child.pid)
        assert child.stdin is not None  # noqa: S101 (asked for above)
        with contextlib.suppress(ConnectionError):
            child.stdin.write(self._settings.model_dump_json().encode() + b"\n")
            await child.stdin.drain()
        dying = asyncio.create_task(child.wait())
        ending = asyncio.create_task(self._ending.wait())
        await asyncio.wait({dying, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not dying.done():
            await _end(child, dying)
        child.stdin.close()
        return await dying

    async def _tell_when_ready(self) -> None:
        host, port = self._listener.getsockname()[:2]

        async def ready() -> bool:
            with contextlib.suppress(ConfigurationError):  # a certificate that is just replaced
                return await answers(host, port, trust_in_own(self._settings))
            return False

        while not await ready():  # noqa: ASYNC110 (another process has to come up)
            await asyncio.sleep(_READY_EVERY)
        self._listening(self.url)


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))


async def _end(child: asyncio.subprocess.Process, dying: asyncio.Task[int]) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    done, _ = await asyncio.wait({dying}, timeout=END_WITHIN)
    if not done:
        log.warning("child.killed", pid=child.pid, reason=f"not ended within {END_WITHIN:g} s")
        child.kill()


async def run_engine(settings: Settings, ending: asyncio.Event) -> None:
    """Drive every run that nobody drives until *ending* is set."""
    arm_from_environment()
    figures = Figures()
    async with Application(settings, figures) as app, shown(figures, settings.data_dir):
        tasks = [
            asyncio.create_task(app.supervisor.adopt_for_ever()),
            asyncio.create_task(_show_alive(app)),
            asyncio.create_task(be_present(app, own_address(settings))),
            asyncio.create_task(keep_telling(app, figures)),
            asyncio.create_task(keep_lookout(app)),
            asyncio.create_task(app.anchor.keep()),
            asyncio.create_task(ending.wait()),
        ]
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await app.anchor.write_last()
        for task in done:
            task.result()


async def _show_alive(app: Application) -> None:
    """Hold the engine's lease for as long as this process lives: readers see that one drives.

    Another engine over the same store may hold it; then this one waits, and drives all the same.
    """
    while (alive := app.locks.take(ENGINE)) is None:  # noqa: ASYNC110 (a file lock tells nobody)
        await asyncio.sleep(_READY_EVERY)
    try:
        await asyncio.Event().wait()
    finally:
        alive.let_go()


def _watch_parent(end: Callable[[], None]) -> None:
    """End with the parent: our stdin ends when it dies, however it dies."""

    def watch() -> None:
        while os.read(_STDIN, 4096):  # not by sys.stdin: its lock would trouble our own end
            pass
        end()
        threading.Event().wait(END_WITHIN)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


async def _child(role: str, settings: Settings, descriptors: list[int]) -> None:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)

    def end() -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ending.set)

    _watch_parent(end)
    if role == "engine":
        await run_engine(settings, ending)
    else:
        _step_back()
        web_side = import_module("api.serving_http")  # heavy, and the engine is not to wait for it
        await web_side.run_http(settings, ending, descriptors[0])


def _step_back() -> None:
    """Let the engine go first: among all processes, and where each session is weighed as one."""
    os.nice(_NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE), encoding="ascii")


def main() -> int:
    """Run as a child of `serve`, with the settings as one line of JSON on stdin."""
    logs.configure()
    role, *descriptors = sys.argv[1:]
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    settings = Settings.model_validate_json(line)
    logs.configure(settings.server.log_format, settings.server.log_level)
    asyncio.run(_child(role, settings, [int(d) for d in descriptors]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
