"""What a person types when drorch cannot."""

from __future__ import annotations

import pytest

from api.by_hand import by_hand, command_of
from api.locale import speaking


@pytest.mark.parametrize(
    ("kind", "machine", "host", "said"),
    [
        ("proxmox", "201", "pve2", "on pve2: qm start 201 (a container: pct start 201)"),
        ("proxmox", "201", None, "qm start 201 (a container: pct start 201)"),
        ("libvirt", "town-db", "kvm1", "on kvm1: virsh start town-db"),
        ("simulated", "101", "pve1", "start 101 in its hypervisor's own interface"),
        ("", "101", None, "start 101 in its hypervisor's own interface"),
    ],
)
def test_each_hypervisor_has_its_own_words(
    kind: str, machine: str, host: str | None, said: str
) -> None:
    assert by_hand(kind, machine, host) == said


def test_a_name_stays_one_word_of_the_shell() -> None:
    assert command_of("libvirt", "db; rm -rf /") == "virsh start 'db; rm -rf /'"


def test_it_is_said_in_the_language_of_whoever_looks() -> None:
    with speaking("it"):
        assert by_hand("libvirt", "db", "kvm1") == "su kvm1: virsh start db"
