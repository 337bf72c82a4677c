"""Turn the Dockerfile into calls of shell functions, for a proof without a container engine.

Reads the few instructions that ours uses and refuses all others, so that nothing goes unproven.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

_ARGUMENT = re.compile(r"\$\{(\w+)\}")


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction and what follows it; comments and empty lines are left out."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def steps(text: str) -> Iterator[str]:
    """Yield one line of shell for each instruction. Raises `ValueError` for unknown ones."""
    arguments: dict[str, str] = {}
    for word, rest in instructions(text):
        given = _ARGUMENT.sub(lambda found: arguments[found[1]], rest)
        if word == "ARG":
            name, _, value = given.partition("=")
            arguments[name] = value
        else:
            yield _step(word, given)


def _step(word: str, rest: str) -> str:
    match word:
        case "FROM":
            base, _, stage = rest.partition(" AS ")
            return _call("from", base, stage)
        case "COPY" if rest.startswith("--from="):
            return _call("copy_stage", *rest.removeprefix("--from=").split())
        case "COPY":
            return _call("copy", *rest.split())
        case "ENV":
            return _call("environment", rest)
        case "RUN" | "WORKDIR" | "USER":
            return _call(word.lower(), rest)
        case "VOLUME" | "EXPOSE":
            return _call("note", word, rest)
        case "HEALTHCHECK":
            return _call("healthcheck", *json.loads(rest.partition(" CMD ")[2]))
        case "ENTRYPOINT" | "CMD":
            return _call(word.lower(), *json.loads(rest))
    raise ValueError(f"the proof does not know the instruction {word}")


def _call(name: str, *arguments: str) -> str:
    return shlex.join((f"do_{name}", *arguments))


if __name__ == "__main__":
    sys.stdout.write("\n".join(steps(Path(sys.argv[1]).read_text(encoding="utf-8"))) + "\n")
