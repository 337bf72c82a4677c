"""The lab: one libvirtd and one fleet of real guests for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.fleet import LabFleet
from tests.lab.guest.build import guest_image
from tests.lab.libvirtd import LabLibvirtd


@pytest.fixture(scope="session")
def lab_libvirtd() -> Iterator[LabLibvirtd]:
    """A running libvirtd of the lab's own, without any guest at first."""
    daemon = LabLibvirtd()
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()


@pytest.fixture(scope="session")
def _session_fleet(lab_libvirtd: LabLibvirtd) -> LabFleet:
    return LabFleet(lab_libvirtd, guest_image())


@pytest.fixture
def lab_fleet(_session_fleet: LabFleet) -> Iterator[LabFleet]:
    """Eight real guests, all off and as designed, before and after each test."""
    _session_fleet.all_off()
    yield _session_fleet
    _session_fleet.all_off()
