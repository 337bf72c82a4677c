"""Which journals an installation has used: one that is suddenly empty is not begun anew."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from drorch.errors import JournalDamagedError
from drorch.journal.url import Place

FILE = "journals"


def remember(place: Place) -> None:
    """Write down beside the locks that there is a journal at *place*.

    A folder that cannot be written is no reason not to recover anything.
    """
    if place.folder is None or _knows(place):
        return
    with suppress(OSError):
        place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (place.folder / FILE).open("a", encoding="utf-8") as file:
            file.write(f"{place.shown}\n")


def refuse_lost(place: Place) -> None:
    """Refuse an empty database where this installation had a journal."""
    if place.folder is not None and _knows(place):
        raise JournalDamagedError(
            f"the journal {place.shown} is empty or gone, and this installation has used it",
            hint="is it the right one, is its disk mounted? Put a backup back: 'drorch db restore "
            "FILE'. Only if all of it may be forgotten, begin anew by deleting "
            f"{place.folder / FILE}",
        )


def _knows(place: Place) -> bool:
    return place.folder is not None and place.shown in _lines(place.folder / FILE)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
