"""``ssh``, ``smb`` and ``icmp`` against real servers, and what no route looks like."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from drorch.ports.check import Verdict
from tests.checks.asking import SECRET, ask
from tests.checks.hostile import stalling
from tests.checks.leftovers import left_over, settled
from tests.checks.serving import accepts, carried_out, free_port, running
from tests.lab_gate import need, need_root

Room = Callable[[str], Path]


@pytest.fixture(scope="module")
def ssh(room: Room) -> Iterator[int]:
    sshd = need("sshd", why="SSH server", install="apt-get install openssh-server")
    keygen = need("ssh-keygen", why="SSH server", install="apt-get install openssh-client")
    folder, port = room("sshd"), free_port()
    carried_out([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"])
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd drops its privilege in it
    options = ("UsePAM=no", "StrictModes=no", "ListenAddress=127.0.0.1", f"PidFile={folder}/pid")
    command: list[str | Path] = [
        sshd,
        "-D",
        "-e",
        "-f",
        "/dev/null",
        "-h",
        folder / "key",
        "-p",
        str(port),
    ]
    for option in options:
        command += ["-o", option]
    with running(command, folder=folder, ready=accepts(port)):
        yield port


async def test_ssh(ssh: int) -> None:
    for contains in (None, "OpenSSH"):
        params = {"host": "127.0.0.1", "port": ssh, "contains": contains}
        result = await ask("ssh", params)
        assert result.healthy, result
        assert "SSH-2.0-OpenSSH" in result.evidence


async def test_ssh_of_another_make_is_unwell(ssh: int) -> None:
    result = await ask("ssh", {"host": "127.0.0.1", "port": ssh, "contains": "dropbear"})
    assert result.verdict is Verdict.UNWELL
    assert "dropbear" in result.evidence


SMB = """
[global]
smb ports = {port}
interfaces = 127.0.0.1
bind interfaces only = yes
private dir = {folder}/private
state directory = {folder}/state
lock directory = {folder}/lock
cache directory = {folder}/cache
ncalrpc dir = {folder}/ncalrpc
pid directory = {folder}/pid
log file = {folder}/log
passdb backend = tdbsam:{folder}/private/passdb.tdb
load printers = no
disable spoolss = yes
[data]
path = {folder}/data
"""


@pytest.fixture(scope="module")
def smb(room: Room) -> Iterator[int]:
    smbd = need("smbd", why="file server", install="apt-get install samba")
    passwd = need("smbpasswd", why="file server", install="apt-get install samba-common-bin")
    need_root(why="a file server changes to the user who logs in")
    folder, port = room("smbd"), free_port()
    for name in ("private", "state", "lock", "cache", "ncalrpc", "pid", "data"):
        (folder / name).mkdir(mode=0o755)
    conf = folder / "smb.conf"
    conf.write_text(SMB.format(folder=folder, port=port))
    carried_out([passwd, "-c", conf, "-s", "-a", "root"], text=f"{SECRET}\n{SECRET}\n")
    command: list[str | Path] = [smbd, "-F", "--no-process-group", "-s", conf]
    with running(command, folder=folder, ready=accepts(port)):
        yield port


async def test_smb(smb: int) -> None:
    params = {"host": "127.0.0.1", "port": smb}
    knock = await ask("smb", params)
    assert knock.healthy, knock
    assert "SMB 3" in knock.evidence
    session = await ask("smb", {**params, "user": "root", "secret": "probe"})
    assert session.healthy, session
    share = await ask("smb", {**params, "user": "root", "secret": "probe", "share": "data"})
    assert share.healthy, share


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"share": "nowhere"}, "NETWORK_NAME"),
        ({"user": "nobody-at-all"}, "LOGON"),
    ],
)
async def test_smb_that_answers_otherwise_is_unwell(
    smb: int, more: dict[str, Any], words: str
) -> None:
    login = {"host": "127.0.0.1", "port": smb, "user": "root", "secret": "probe", "share": "data"}
    result = await ask("smb", {**login, **more})
    assert result.verdict is Verdict.UNWELL
    assert words in result.evidence.upper()
    assert SECRET not in result.evidence


@pytest.mark.parametrize("after", [60, 300, 420, 520, 600])
async def test_smb_that_falls_silent_in_the_middle(smb: int, after: int) -> None:
    login = {"host": "127.0.0.1", "user": "root", "secret": "probe", "share": "data"}
    await ask("smb", {**login, "port": smb})  # loads the driver, which keeps things of its own
    before = left_over()
    async with stalling(smb, after) as port:
        result = await ask("smb", {**login, "port": port}, timeout=0.7)
        assert result.verdict is Verdict.UNWELL, result
    await settled(before)


async def test_a_share_without_a_user_is_broken() -> None:
    result = await ask("smb", {"host": "127.0.0.1", "port": 9, "share": "data"})
    assert result.verdict is Verdict.BROKEN


ASK = """
import asyncio, json, sys
from tests.checks.asking import ask
async def main():
    for kind, params in json.load(sys.stdin):
        result = await ask(kind, params, timeout=0.7)
        print(json.dumps([kind, result.verdict.value, result.evidence]))
asyncio.run(main())
"""


def ask_inside(prefix: Sequence[str], questions: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", ASK],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def nowhere() -> Iterator[list[str]]:
    """A network name space of our own, where 10.77.0.0/24 swallows and 10.78.0.0/16 refuses."""
    ip = need("ip", why="network name spaces", install="apt-get install iproute2")
    need_root(why="network name spaces")
    name = f"drorch-{secrets.token_hex(4)}"
    carried_out([ip, "netns", "add", name])
    try:
        for command in (
            ["link", "set", "lo", "up"],
            ["link", "add", "hole", "type", "veth", "peer", "name", "bottom"],
            ["link", "set", "hole", "arp", "off"],
            ["link", "set", "bottom", "up"],
            ["addr", "add", "10.77.0.1/24", "dev", "hole"],
            ["link", "set", "hole", "up"],
            ["route", "add", "unreachable", "10.78.0.0/16"],
            ["route", "add", "blackhole", "10.79.0.0/16"],
            ["route", "add", "prohibit", "10.80.0.0/16"],
        ):
            carried_out([ip, "-n", name, *command])
        yield [ip, "netns", "exec", name]
    finally:
        carried_out([ip, "netns", "delete", name])


def every_kind(host: str) -> list[tuple[str, dict[str, Any]]]:
    at = {"host": host, "port": 9999}
    login = {**at, "user": "probe", "secret": "probe"}
    return [
        ("tcp", at),
        ("http", {"url": f"https://{host}:9999/"}),
        ("dns", {"server": host, "name": "app.lab.test"}),
        ("tls", at),
        ("icmp", {"host": host}),
        ("ldap", at),
        ("smtp", at),
        ("ssh", at),
        ("postgres", login),
        ("mysql", login),
        ("redis", at),
        ("ntp", {"host": host}),
        ("smb", {**login, "share": "data"}),
    ]


@pytest.mark.parametrize("host", ["10.77.0.9", "10.78.0.9", "10.79.0.9", "10.80.0.9"])
def test_who_cannot_be_reached_is_unreachable(nowhere: list[str], host: str) -> None:
    answers = ask_inside(nowhere, every_kind(host))
    assert len(answers) == 13
    assert {verdict for _, verdict, _ in answers} == {"unreachable"}, answers


async def test_icmp() -> None:
    need_root(why="pings without net.ipv4.ping_group_range")
    for host in ("127.0.0.1", "::1"):
        result = await ask("icmp", {"host": host})
        assert result.healthy, result
        assert " ms" in result.evidence


def test_icmp_that_is_not_allowed_says_what_to_set(nowhere: list[str]) -> None:
    setpriv = need("setpriv", why="dropping a privilege", install="apt-get install util-linux")
    without = [*nowhere, setpriv, "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    ((_, verdict, evidence),) = ask_inside(without, [("icmp", {"host": "127.0.0.1"})])
    assert verdict == "broken"
    assert "net.ipv4.ping_group_range" in evidence
