"""What a release holds: the wheel with all that is no Python, the image's steps."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts.image_steps import steps
from tests.repo.tree import PACKAGES, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    (built,) = folder.glob("drorch-*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_the_wheel_holds_every_file_of_the_packages(wheel: Sequence[str]) -> None:
    """Templates, styles, catalogues, examples: whatever lies beside the code goes with it."""
    there = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert there - set(wheel) == set()
    kinds = {Path(name).suffix for name in wheel if name.startswith("api/")}
    assert kinds >= {".html", ".css", ".js", ".svg", ".po"}
    assert {"plans/examples/piacenza.yaml", "plans/schema/plan-v1.json"} <= set(wheel)


def test_the_wheel_holds_nothing_else(wheel: Sequence[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert not any("__pycache__" in name for name in wheel)


def test_the_image_is_built_as_it_should_be() -> None:
    built = list(steps((ROOT / "Dockerfile").read_text(encoding="utf-8")))
    final = built[max(i for i, one in enumerate(built) if one.startswith("do_from ")) :]
    assert "do_user 10001:10001" in final
    assert any(one.startswith("do_healthcheck ") and "api.answering" in one for one in final)
    assert any(one == "do_note VOLUME /data" for one in final)
    assert not any("pip" in one or "apt" in one for one in final)
    installs = [one for one in built if "--requirement" in one]
    assert installs
    assert all("--require-hashes" in one for one in installs)


@pytest.mark.parametrize("line", ["ADD x /y", "SHELL /bin/zsh", "ONBUILD RUN x"])
def test_the_proof_refuses_what_it_cannot_carry_out(line: str) -> None:
    with pytest.raises(ValueError, match=line.split(maxsplit=1)[0]):
        list(steps(f"FROM scratch AS one\n{line}\n"))


def test_the_bundle_brings_its_own_pip() -> None:
    assert "pip==" in (ROOT / "requirements" / "bundle.txt").read_text(encoding="utf-8")
    installer = (ROOT / "scripts" / "install.sh").read_text(encoding="utf-8")
    assert "--no-index" in installer
    assert "--require-hashes" in installer
    readme = Path(ROOT / "scripts" / "README-first.txt").read_text(encoding="utf-8")
    assert "sh install.sh" in readme
