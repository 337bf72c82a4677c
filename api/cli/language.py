"""Which language a command speaks: that of the terminal, unless another one is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from api.locale.catalogue import WRITTEN, is_spoken

DECIDING = ("DRORCH_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""The variables that tell the language; the first that is not empty decides."""
_END_OF_CODE = re.compile("[_.@-]")


def language_of(environ: Mapping[str, str]) -> str:
    """Return the code that a process in *environ* speaks; English for one that nobody speaks."""
    told = next((environ[name] for name in DECIDING if environ.get(name)), "")
    code = _END_OF_CODE.split(told.strip().lower())[0]
    return code if is_spoken(code) else WRITTEN
