"""A language that nobody speaks: what stands in it without its brackets went past the catalogues."""

from __future__ import annotations

import gettext
import re

from typing_extensions import override

_SAID = re.compile(r"⟦[^⟦⟧]*⟧")


class Invented(gettext.NullTranslations):
    """Puts every text between ⟦ and ⟧."""

    @override
    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    @override
    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"

    @override
    def pgettext(self, context: str, message: str) -> str:
        return f"⟦{message}⟧"


def unsaid(text: str) -> str:
    """Return what of *text* was not said in it; texts stand in texts."""
    before = ""
    while before != text:
        before, text = text, _SAID.sub(" ", text)
    return text
