"""The name of an installation outlives restarts, and the power cut that emptied its file."""

from __future__ import annotations

from pathlib import Path

from drorch.journal.site import running_site, site_id


def test_it_is_made_once(tmp_path: Path) -> None:
    assert site_id(tmp_path / "a") == site_id(tmp_path / "a") != site_id(tmp_path / "b")
    assert len(site_id(tmp_path / "a")) == 16


def test_a_power_cut_may_leave_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "site-id").touch()
    named = site_id(tmp_path)
    assert named
    assert (tmp_path / "site-id").read_text() == f"{named}\n"


def test_the_folder_of_a_new_installation_is_made(tmp_path: Path) -> None:
    assert running_site(tmp_path / "new" / "data") == running_site(tmp_path / "new" / "data")
