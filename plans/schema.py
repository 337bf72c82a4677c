"""The JSON Schema of the language, written from the same shapes that read plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plans.language.document import PLAN, VERSION
from plans.shapes.base import Definitions

FILE = Path(__file__).parent / "schema" / f"plan-v{VERSION}.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema (2020-12) for editors: keys, forms, texts; not what spans several keys.

    References, cycles and machines named twice are found by loading only.
    """
    definitions = Definitions()
    plan = PLAN.describe_part(definitions)
    return {
        "$schema": DIALECT,
        "$id": f"urn:drorch:plan:{VERSION}",
        "title": f"drorch recovery plan, version {VERSION}",
        **plan,
        "$defs": dict(sorted(definitions.parts.items())),
    }


def schema_text() -> str:
    """Return the schema as the file in the repository holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
