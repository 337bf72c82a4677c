"""What is wrong with a key of the configuration, in the words of the file and not of a library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

_WORDS: Mapping[str, str] = {
    "tuple_type": 'must be a list: ["..."]',
    "list_type": 'must be a list: ["..."]',
    "dict_type": "must be a table: { key = value }",
    "string_type": 'must be text in quotes: "..."',
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": 'must be a number of seconds, or a duration such as "15s"',
    "float_parsing": 'must be a number of seconds, or a duration such as "15s"',
    "bool_type": "must be true or false, without quotes",
    "bool_parsing": "must be true or false, without quotes",
    "path_type": 'must be a path in quotes: "/..."',
    "missing": "is missing",
}
_REFERENCE = 'must be { file = "..." } or { env = "..." }, never the secret itself'


def problem_words(problem: Mapping[str, Any], known: Iterable[str] = ()) -> str:
    """Return one entry of pydantic's ``errors()`` in plain words, without the value.

    *known* are the keys that would be right there.
    """
    kind, context = str(problem["type"]), problem.get("ctx") or {}
    if context.get("class_name") == "SecretRef":
        return _REFERENCE
    if kind == "model_type":
        return "must be a table: [NAME] with keys below it"
    if kind == "extra_forbidden":
        key = str(problem["loc"][-1])
        near = get_close_matches(key, list(known), 1)
        return f"unknown key{f'; did you mean {near[0]}?' if near else ''}"
    return _WORDS.get(kind, str(problem["msg"]).removeprefix("Value error, "))
