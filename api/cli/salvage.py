"""What can still be read when the disk of ``data_dir`` may not be written any more."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.cli.screen import note
from api.locale import _
from api.settings import Settings
from drorch.errors import JournalUnavailableError

_PARTS = ("", "-wal")
"""The journal's file, and the one with its newest events; the third is made anew."""


@contextmanager
def readable(settings: Settings) -> Iterator[tuple[Settings, JournalUnavailableError | None]]:
    """Give settings with which the journal can be opened, and what refuses to write there.

    On a disk that is read-only (a failing one is made so by the system, at night above all) that is
    a copy in a temporary folder: SQLite cannot open a journal where it may not lock. Elsewhere the
    settings are given as they are, and nothing is refused.
    """
    file = settings.place.file
    if file is None or not file.is_file() or not _is_read_only(file.parent):
        yield settings, None
        return
    why = _("the disk of {folder} is read-only", folder=file.parent)
    with tempfile.TemporaryDirectory(prefix="drorch-") as folder:
        for part in _PARTS:
            beside = file.with_name(file.name + part)
            if beside.is_file():
                shutil.copyfile(beside, Path(folder) / beside.name)
        copied = _(
            "{why}: this is a copy of what it holds; nothing can be decided or started here",
            why=why,
        )
        note(copied, style="bold yellow")
        refusal = JournalUnavailableError(
            _("nothing can be recorded: {why}", why=why),
            hint=_(
                "make it writable again (mount -o remount,rw), or recover with another one: "
                "DRORCH_DATA_DIR=~/drorch-tmp drorch run PLAN --mode live (what runs is verified, "
                "not restarted; holds and a halt are not known there)"
            ),
        )
        yield settings.model_copy(update={"data_dir": Path(folder)}), refusal


def _is_read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
