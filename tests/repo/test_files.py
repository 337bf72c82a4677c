"""Nothing in the repository depends on where it was made: no registry, no path of a machine."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from tests.repo.tree import ROOT, files, texts

# Written in two halves, so that this file does not find itself.
_FOREIGN = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            r"files\.python" + "hosted",
            "--(extra-)?index" + r"-url[ =]",
            "--trusted" + "-host",
            r"registry\.npm" + "js",
            r"deb\.debian" + r"\.org",
            r"snapshot\.debian" + r"\.org",
            "/opt/py" + "pi",
            "/opt/whe" + "els",
            "/root/\\.py" + "env",
            "/work/" + "(main|shared)",
            r"(?<![\w/])/home/" + r"[a-z]",
        )
    )
)
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file, text in texts()
        if (match := _FOREIGN.search(text))
    ]
    assert found == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pinned_package_has_a_hash(lock: Path) -> None:
    entries = re.split(r"\n(?=[A-Za-z])", lock.read_text(encoding="utf-8").strip())
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


def test_the_locks_agree() -> None:
    pinned: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(
            r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE
        ):
            pinned.setdefault(name, set()).add(version)
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
