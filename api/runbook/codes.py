"""Short codes that stand beside each step on paper, to be typed in afterwards.

Four characters and a fifth that proves them: one wrong character, or two that have changed
places, is always found. None of them looks like another, and who reads a 2 as Z is understood.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from api.locale import noted

ALPHABET = "2346789ACDEFHJKMNPRTWXY"
"""23 characters: a prime, so that weights find every swap."""
_WEIGHTS = (2, 3, 5, 7)
_LOOKS_LIKE = str.maketrans({"Z": "2", "G": "6", "B": "8", "O": "D", "0": "D"})
_BLANKS = str.maketrans("", "", " -.\t")
_TURNS = 1000


class CodeError(ValueError):
    """What was typed is no code of this plan."""


def codes_of(plan: str, steps: Iterable[str]) -> Mapping[str, str]:
    """Return the code of each step; no two are the same.

    A step keeps its code from revision to revision, unless a new step whose id sorts before it
    claims the very same one.
    """
    taken: dict[str, str] = {}
    for step in sorted(steps):
        free = (code for turn in range(_TURNS) if (code := _code(plan, step, turn)) not in taken)
        taken[next(free)] = step
    return {step: code for code, step in taken.items()}


def step_of(typed: str, plan: str, steps: Iterable[str]) -> str:
    """Return the step whose code was typed; its id will do as well. Raises `CodeError`."""
    known = list(steps)
    if typed.strip() in known:
        return typed.strip()
    code = typed.upper().translate(_BLANKS).translate(_LOOKS_LIKE)
    if len(code) != len(_WEIGHTS) + 1 or any(c not in ALPHABET for c in code):
        raise CodeError(
            noted("a code has five characters, such as those beside the boxes on the paper")
        )
    if code[-1] != _check(code[:-1]):
        raise CodeError(noted("mistyped: its last character does not fit the others"))
    for step, own in codes_of(plan, known).items():
        if own == code:
            return step
    raise CodeError(noted("no step of this run has this code; is it the paper of another plan?"))


def _code(plan: str, step: str, turn: int) -> str:
    digest = hashlib.sha256(f"{plan}\n{step}\n{turn}".encode()).digest()
    number, own = int.from_bytes(digest[:8]), ""
    for _ in _WEIGHTS:
        number, place = divmod(number, len(ALPHABET))
        own += ALPHABET[place]
    return own + _check(own)


def _check(own: str) -> str:
    total = sum(w * ALPHABET.index(c) for w, c in zip(_WEIGHTS, own, strict=True))
    return ALPHABET[total % len(ALPHABET)]
