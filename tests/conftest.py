"""What tests of several rooms share: a real PostgreSQL, and the search for secrets at the end."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog

from tests.canary import CANARIES
from tests.real.postgres import PostgresServer, postgres_cluster


def pytest_configure() -> None:
    """Let commands speak English on any machine, and let Ctrl-C be heard; log errors plainly."""
    os.environ["DRORCH_LANG"] = "en"
    _hear_interrupts()
    # The pretty ones, with the values of variables, take a tenth of a second each.
    structlog.get_config()["processors"][-1].exception_formatter = structlog.dev.plain_traceback


def _hear_interrupts() -> None:
    """Let Ctrl-C reach the processes that tests start, also where a shell's ``&`` started us.

    Such a shell has SIGINT ignored in what it puts into the background, and children inherit it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        with suppress(ValueError):  # not in the main thread: nobody can change it there
            signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Spare the garbage collector the tests themselves: they stay, and it would search them often."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for title, text in report.sections:
        CANARIES.look_into(f"{report.nodeid}: {title}", text)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a secret stands in something that the tests wrote.

    Each worker looks at its own folder, and tells who started it.
    """
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is not None and factory._basetemp is not None:
        CANARIES.look(factory.getbasetemp())
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["canaries"] = CANARIES.found
    elif CANARIES.found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    CANARIES.found += getattr(node, "workeroutput", {}).get("canaries", [])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for found in dict.fromkeys(CANARIES.found):  # workers' folders are below ours
        terminalreporter.write_line(f"SECRET FOUND in {found}", red=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with postgres_cluster() as cluster, cluster.running() as server:
        yield server
        CANARIES.look(server.folder)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """Return the address of a database of the test's own, still empty."""
    return postgres_server.make()
