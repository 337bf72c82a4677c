"""Nothing in the repository depends on where it was made: no registry, no path of a machine."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, files, texts

_MACHINE = re.compile(
    # Not behind a variable ("$root"/home/..), a host (http://x/home/..) or another folder.
    r"""(?<![\w./~})-])(?<!\w["'])/(?:home|root|Users|work\w*)/[\w.@-]+"""
)
"""A path below somebody's home or somebody's workshop."""
_INDEX = re.compile(
    r"https?://[^\s/\"']*(?:pypi|pythonhosted|npmjs|rubygems|crates\.io|debian\.org|ubuntu\.com)"
    r"|https?://[^\s\"']+/simple\b"
    r"|--(?:extra-)?index-url[ =]"
    r"|--trusted-host[ =]"
)
"""Where packages come from is the business of whoever installs."""
_WHERE_ROOT_KEEPS_IT = frozenset({"/root/pve.token", "/root/drorch-"})
"""Root's own files on a hypervisor, and in the container that proves the bundle."""
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def foreign(text: str) -> list[str]:
    """Return what in *text* holds only on the machine where it was written."""
    found = [match[0] for pattern in (_MACHINE, _INDEX) for match in pattern.finditer(text)]
    return [words for words in found if words not in _WHERE_ROOT_KEEPS_IT]


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = {
        str(file.relative_to(ROOT)): words
        for file, text in texts()
        if file != Path(__file__) and (words := foreign(text))
    }
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "see /home/anna/notes.md",
        'data_dir = "/Users/anna/data"',
        "cd '/work/tree'",
        "workdir=/workspace/tree",
        "(/root/.cache/tool)",
        "https://pypi.org/project/x",
        "https://files.pythonhosted.org/x.whl",
        "http://mirror.example:3141/root/dev/simple/",
        "pip install --index-url http://x y",
        "--extra-index-url=http://x",
        "pip --trusted-host mirror",
        "deb http://deb.debian.org/debian stable main",
    ],
)
def test_a_machine_and_a_registry_are_recognised(text: str) -> None:
    assert foreign(text)


@pytest.mark.parametrize(
    "text",
    [
        '"$box"/root/var',
        "${box}/home/drorch",
        "https://example.org/home/page",
        "docs/home/index.md",
        "a network/worker split",
        "--no-index --find-links wheels",
        "--no-emit-index-url --no-emit-find-links",
        "/etc/drorch and /var/lib/drorch",
    ],
)
def test_what_holds_everywhere_is_let_be(text: str) -> None:
    assert foreign(text) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pinned_package_has_a_hash(lock: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z])", lock.read_text(encoding="utf-8").strip())
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


def test_the_locks_agree() -> None:
    """One version of each package for each Python."""
    pinned: dict[tuple[str, str], set[str]] = {}
    for lock in LOCKS:
        for name, version, python in re.findall(
            r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (python\S+ \S+ \S+))?", lock.read_text(), re.MULTILINE
        ):
            pinned.setdefault((name, python), set()).add(version)
    assert {name: versions for name, versions in pinned.items() if len(versions) > 1} == {}


def test_scripts_can_be_run() -> None:
    scripts = [ROOT / ".ci" / "run", *(ROOT / "scripts").glob("*.sh")]
    assert len(scripts) > 5
    for script in scripts:
        assert script.read_text(encoding="utf-8").startswith("#!"), script
        assert script.stat().st_mode & stat.S_IXUSR, script


def test_there_is_a_licence() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_no_file_is_large_or_private() -> None:
    for file in files():
        assert file.stat().st_size < 2_000_000, file
        assert not file.is_symlink(), file
    private = ("PRIVATE KEY-----", "BEGIN OPENSSH")
    found = [f for f, t in texts() if any(word in t for word in private) and f != Path(__file__)]
    assert found == []
