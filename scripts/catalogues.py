"""Collects what is said to people into the catalogues of each language: ``make catalogues``.

A text keeps its translation as long as its English stays, also when another face says it now; a
new one arrives empty, and a test fails until somebody has translated it. Catalogues name no line
numbers, so that moving code changes none of them.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract
from typer.main import get_command

from api.cli.commands import app
from api.cli.manual import retell
from api.locale.catalogue import CORE, FOLDER, LANGUAGES, WRITTEN

ROOT = Path(__file__).parents[1]
KEYWORDS: Mapping[str, tuple[object, ...] | None] = {
    "_": None,
    "noted": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
FACES: Mapping[str, tuple[str, ...]] = {
    "cli": ("api/cli",),
    "graph": ("api/dashboard/graph", "api/dashboard/templates/graph"),
    "report": ("api/reports",),
    "runbook": ("api/runbook",),
    "status": ("api/status",),
    "pages": ("api/dashboard",),
    "words": ("api",),
}
"""Which part of the code speaks out of which catalogue; the first whose path fits."""
_SPEAKING = (
    *(ROOT / package for package in ("drorch", "connectors", "plans", "api")),
    Path(typer.__file__).parent,  # says what is wrong with a command line
)
Message = tuple[str | tuple[str, ...], str | None]
Known = Mapping[Message, Any]


def collect() -> Mapping[str, set[Message]]:
    """Return what each face says: its texts, each with its context where it has one."""
    found: dict[str, set[Message]] = {face: set() for face in FACES}
    for file in sorted((ROOT / "api").rglob("*")):
        if file.suffix in (".py", ".html", ".txt", ".css") and file.is_file():
            found[_face_of(file.relative_to(ROOT).as_posix())].update(_messages(file))
    found["cli"].update(_manual())
    return found


def _manual() -> set[Message]:
    """Return the help of the commands, as the commands themselves have it."""
    found: set[Message] = set()

    def keep(text: str) -> str:
        found.add((text, None))
        return text

    retell(get_command(app), keep)
    return found


def _face_of(path: str) -> str:
    return next(f for f, places in FACES.items() if any(path.startswith(p) for p in places))


def _messages(file: Path) -> Iterator[Message]:
    extract: Any = extract_python if file.suffix == ".py" else babel_extract
    options = {} if file.suffix == ".py" else {"newstyle_gettext": "true", "trimmed": "true"}
    text = io.BytesIO(file.read_bytes())
    for _line, function, messages, _notes in extract(text, tuple(KEYWORDS), (), options):
        if found := _message(function or "_", messages):
            yield found


def _message(function: str, messages: object) -> Message | None:
    parts = messages if isinstance(messages, tuple) else (messages,)
    texts = tuple(part for part in parts if isinstance(part, str) and part)
    if not texts:
        return None
    if function == "ngettext":
        return texts[:2], None
    return (texts[1], texts[0]) if function == "pgettext" else (texts[0], None)


def catalogue_file(language: str, face: str) -> Path:
    """Return where the texts of a face are kept in a language."""
    return FOLDER / language / "LC_MESSAGES" / f"{face}.po"


def read(language: str, face: str) -> Catalog:
    """Return a catalogue as it is; an empty one where there is none yet."""
    file = catalogue_file(language, face)
    if not file.is_file():
        return Catalog(domain=face)
    with file.open("rb") as text:
        return read_po(text, locale=language, domain=face)


def translated(language: str) -> Known:
    """Return what all faces have of a language: none of them translates a text another way."""
    found: dict[Message, Any] = {}
    for face in FACES:
        for message in read(language, face):
            if message.id and message.string:
                found[_key(message.id, message.context)] = message.string
    return found


def _key(text: Any, context: str | None) -> Message:
    return (text if isinstance(text, str) else tuple(text), context)


def refreshed(language: str, face: str, messages: set[Message], known: Known) -> str:
    """Return the text of a catalogue that has just these messages, with what is *known* of them."""
    after = Catalog(domain=face, fuzzy=False)  # two forms, as the header says
    for text, context in sorted(messages, key=lambda m: (str(m[0]), m[1] or "")):
        after.add(text, known.get((text, context)), context=context)
    return as_text(after, language)


def as_text(catalogue: Catalog, language: str) -> str:
    """Return a catalogue as gettext writes it, with a header that names no day and no person."""
    out = io.BytesIO()
    write_po(out, catalogue, width=100, sort_output=True, no_location=True, omit_header=True)
    forms = "nplurals=2; plural=(n != 1);"
    header = (
        'msgid ""\nmsgstr ""\n'
        f'"Language: {language}\\n"\n"Plural-Forms: {forms}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n\n'
    )
    return header + out.getvalue().decode()


def literals() -> set[str]:
    """Return every text literal of the code.

    A text with places has ``{}`` where a value goes: what the catalogue of the core has is held
    against these.
    """
    found: set[str] = set()
    for package in _SPEAKING:
        for file in sorted(package.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    found.add("".join(_part(value) for value in node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    return "{}"


def main() -> None:
    """Write every catalogue anew; the core's is kept by hand, and only put in order."""
    for language in LANGUAGES:
        if language == WRITTEN:
            continue
        known = translated(language)
        for face, messages in collect().items():
            text = refreshed(language, face, messages, known)
            catalogue_file(language, face).write_text(text, encoding="utf-8")
            missing = sum(not m.string for m in read(language, face) if m.id)
            sys.stdout.write(f"{language} {face}: {len(messages)} texts, {missing} to translate\n")
        core = catalogue_file(language, CORE)
        if core.is_file():
            core.write_text(as_text(read(language, CORE), language), encoding="utf-8")


if __name__ == "__main__":
    main()
