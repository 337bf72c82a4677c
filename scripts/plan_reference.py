"""The reference of the plan language, out of its JSON Schema: one table for each kind of thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from plans import json_schema

Part: TypeAlias = Mapping[str, Any]

_COMMON = ("timeout", "interval", "stable", "name")
_WORDS = {"host": "host", "port": "port", "id": "name", "duration": "duration", "text": "text"}
_SECTIONS = {
    "group": "A group (`groups`)",
    "step": "A step (`steps`)",
    "dependency": "A dependency (`depends_on`)",
    "retry": "Trying again (`retry`)",
    "service": "A service (`services`)",
    "contact": "A contact (`contacts`)",
}


def keys() -> str:
    """Return the tables of all that is not a check."""
    schema = json_schema()
    parts = [_table("The whole file", schema, level=3)]
    for name, title in _SECTIONS.items():
        part = schema["$defs"][name]
        forms = () if "properties" in part else part.get("anyOf", ())
        long = next((form for form in forms if "properties" in form), part)
        parts.append(_table(title, {**long, "description": part.get("description", "")}, level=3))
    return "\n".join(parts)


def checks() -> str:
    """Return one table for each kind of check, and one for what all of them take."""
    definitions = json_schema()["$defs"]
    check = definitions["check"]
    common = {key: check["properties"][key] for key in _COMMON}
    parts = [_table("What every check takes", {"properties": common}, level=3)]
    for kind, forms in check["properties"].items():
        if kind in _COMMON:
            continue
        long = definitions[f"check-{kind}"]
        own = {k: p for k, p in long["properties"].items() if not _is_common(kind, k)}
        short = " Short form: `" + _short(kind) + "`." if "anyOf" in forms else ""
        told = {**long, "properties": own, "description": long["description"] + short}
        parts.append(_table(f"`{kind}`", told, level=3))
    return "\n".join(parts)


def _is_common(kind: str, key: str) -> bool:
    owns_name = kind in {"dns", "callout"} and key == "name"
    return key in _COMMON and not owns_name


def _short(kind: str) -> str:
    forms = {"http": "http: https://10.1.1.22/health", "tcp": "tcp: 10.1.0.10:389"}
    return forms.get(kind, f"{kind}: 10.1.0.10")


def _table(title: str, part: Part, *, level: int) -> str:
    lines = [f"{'#' * level} {title}", ""]
    if part.get("description"):
        lines += [part["description"], ""]
    required = set(part.get("required", ()))
    rows = list(_rows(part, required))
    if rows:
        lines += ["| key | value | meaning |", "| --- | --- | --- |", *rows, ""]
    else:
        lines += ["It takes nothing but what every check takes.", ""]
    return "\n".join(lines)


def _rows(part: Part, required: set[str], before: str = "") -> Iterator[str]:
    for key, value in part.get("properties", {}).items():
        must = " **required**" if key in required else ""
        told = value.get("description", "")
        default = value.get("default")
        if default is not None and "Default" not in told:
            told += f" Default: {str(default).lower() if isinstance(default, bool) else default}."
        yield f"| `{before}{key}` | {_value(value)} | {_cell(told)}{must} |"
        for inner in (value, *value.get("anyOf", ())):
            if "properties" in inner:
                yield from _rows(inner, set(inner.get("required", ())), f"{before}{key}.")


def _value(part: Part) -> str:
    if "$ref" in part:
        name = str(part["$ref"]).rpartition("/")[2]
        return _WORDS.get(name, name)
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_value(form) for form in part["anyOf"]))
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    return _typed(part)


def _typed(part: Part) -> str:
    match part.get("type"):
        case "array":
            return f"list of: {_value(part['items'])}" if "items" in part else "list"
        case "object" if isinstance(part.get("additionalProperties"), Mapping):
            return f"{_value(part['additionalProperties'])} by name"
        case "object":
            return "mapping" if part.get("properties") else "`{}`"
        case "integer":
            bounds = (part.get("minimum"), part.get("maximum"))
            return f"number {bounds[0]} to {bounds[1]}" if None not in bounds else "number"
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "nothing"
        case list():
            return "text"
        case "string":
            return "text"
    return "anything"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
