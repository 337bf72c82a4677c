"""The token's secret appears nowhere: not in repr, logs, errors or their causes."""

from __future__ import annotations

import logging
import traceback

import pytest

from connectors.proxmox import factory
from drorch.errors import ConfigurationError, DrorchError
from drorch.ports.connector import Power
from tests.fakes.permit import allowed
from tests.proxmox.cluster import SECRET, FakeCluster, vm
from tests.proxmox.conftest import Connect, becomes


def everything_said(error: BaseException) -> str:
    """Return a traceback with causes and attributes of every exception in the chain."""
    text = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        text += repr(seen) + repr(seen.args) + repr(vars(seen))
        request = getattr(seen, "request", None)
        text += repr(getattr(request, "headers", ""))
        seen = seen.__cause__ or seen.__context__
    return text


async def test_the_secret_is_never_said(
    fake: FakeCluster, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("proxmoxer", "proxmoxer.core", "proxmoxer.backends.https", "urllib3"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    fake.reset(vm(101), vm(102, lock="backup"))
    connector = await connect("pve1", "pve2")
    said = ""
    try:
        await connector.start("101", permit=allowed)
        await becomes(connector, "101", Power.RUNNING)
        for fault in ("drop", "lost", "raw", "status"):
            fake.reset(vm(101, running=True))
            fake.do("fault", kind=fault, method="POST", status=599, body="<html>")
            with pytest.raises(DrorchError) as caught:
                await connector.stop("101", permit=allowed)
            said += everything_said(caught.value)
        fake.do("set", tokens={})
        for name in ("pve1", "pve2"):
            fake.do("endpoint", node=name, up=False)
            with pytest.raises(DrorchError) as failure:
                await connector.identify()
            said += everything_said(failure.value)
    finally:
        for name in ("proxmoxer", "proxmoxer.core", "proxmoxer.backends.https", "urllib3"):
            logging.getLogger(name).setLevel(logging.NOTSET)
    said += repr(connector) + repr(vars(connector)) + caplog.text
    assert "101" in caplog.text  # something was logged, so the search means something
    assert SECRET not in said


async def test_a_secret_typed_into_the_settings_is_not_repeated(fake: FakeCluster) -> None:
    for wrong in (
        {"token_secret": SECRET},
        {"token_secret": {"value": SECRET}},
        {"token_id": f"drorch@pve!recovery={SECRET}"},
    ):
        with pytest.raises(ConfigurationError) as caught:
            factory("pve", fake.table("pve1") | wrong)
        assert SECRET not in everything_said(caught.value)
        assert next(iter(wrong)) in caught.value.message


async def test_a_secret_that_cannot_be_read_is_told(fake: FakeCluster, connect: Connect) -> None:
    connector = await connect(token_secret={"file": "/nonexistent/pve.token"})
    with pytest.raises(ConfigurationError, match=r"/nonexistent/pve\.token"):
        await connector.identify()
