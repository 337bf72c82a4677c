"""The fields of a page's own form, as a browser sends them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from fastapi import Request

from api.schemas.problem_types import InvalidRequestError, MediaTypeError

_MOST = 12


async def fields_of(request: Request, *, programs: str) -> Mapping[str, str]:
    """Return the fields of a form; *programs* says what those use who are no browser.

    Raises `MediaTypeError` or `InvalidRequestError`.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise MediaTypeError("this address takes the page's own form", hint=programs)
    try:
        fields = parse_qs((await request.body()).decode(), max_num_fields=_MOST)
    except ValueError as error:
        raise InvalidRequestError("the form cannot be read") from error
    return {name: values[-1].replace("\r\n", "\n") for name, values in fields.items()}
