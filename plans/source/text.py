"""From bytes to text: size, encoding and characters that have no place in a plan."""

from __future__ import annotations

import re

from plans.problems import START, Position, Report

MOST_BYTES = 5 * 1024 * 1024
MOST_LINES = 250_000

# What YAML does not allow unescaped, and U+FEFF, which nobody sees in an editor.
FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def decode(source: bytes | str, report: Report) -> str | None:
    """Return the text of *source*, or None with the reason in *report*."""
    raw = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if len(raw) > MOST_BYTES:
        report.add(
            START,
            "file-too-large",
            f"the file has {len(raw)} bytes; a plan has at most {MOST_BYTES} (5 MiB)",
            "split it into several plans",
        )
        return None
    text = _from_utf8(raw, report)
    if text is None:
        return None
    text = text.removeprefix("\ufeff")
    return text if _printable(text, report) and _short_enough(text, report) else None


def position_of(text: str, index: int) -> Position:
    """Return where the character at *index* stands."""
    start = max(text.rfind("\n", 0, index), text.rfind("\r", 0, index)) + 1
    return Position(_breaks(text, index) + 1, index - start + 1)


def _breaks(text: str, end: int) -> int:
    """Count the line ends before *end*, as editors do: LF, CR, or both together."""
    single = text.count("\n", 0, end) + text.count("\r", 0, end)
    return single - text.count("\r\n", 0, end)


def _from_utf8(raw: bytes, report: Report) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if raw.startswith(UTF16_MARKS):
            report.add(
                START,
                "not-utf-8",
                "the file is UTF-16, not UTF-8",
                "save it as UTF-8 in the editor's save dialogue",
            )
            return None
        before = raw[: error.start].decode("utf-8").removeprefix("\ufeff")
        report.add(
            position_of(before, len(before)),
            "not-utf-8",
            f"the byte 0x{raw[error.start]:02X} is not valid UTF-8",
            "save the file as UTF-8; accented letters from an older editor are the usual cause",
        )
        return None


def _short_enough(text: str, report: Report) -> bool:
    lines = _breaks(text, len(text)) + 1
    if lines > MOST_LINES:
        report.add(
            START,
            "file-too-large",
            f"the file has {lines} lines; a plan has at most {MOST_LINES}",
            "split it into several plans, or delete what is empty",
        )
    return lines <= MOST_LINES


def _printable(text: str, report: Report) -> bool:
    found = FORBIDDEN.search(text)
    if "\0" in text:
        report.add(START, "not-text", "this is not a text file", "give the YAML file of a plan")
        return False
    if found is None:
        return True
    report.add(
        position_of(text, found.start()),
        "control-character",
        f"the character U+{ord(found.group()):04X} is not allowed in a plan",
        "delete it; it is invisible in most editors",
    )
    return False
