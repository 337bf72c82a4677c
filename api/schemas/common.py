"""Shapes that many calls share: text from people, problems, pages."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

UNSEEN = "\u115f\u1160\u3164\uffa0"
"""Fillers of Hangul: letters for every table, and nothing on a screen."""


class Out(BaseModel):
    """What the service answers; later versions may add members."""

    model_config = ConfigDict(extra="allow")


class In(BaseModel):
    """What the service takes; a member that it does not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


def _printable(text: str) -> str:
    """Refuse what could rewrite a terminal or hide a part of itself; line breaks are fine."""
    if any(not (c.isprintable() or c in "\n\t") for c in text):
        raise ValueError("control characters are not allowed here")
    return text.strip()


PersonText = Annotated[str, Field(max_length=2000), AfterValidator(_printable)]


def is_seen(text: str) -> bool:
    """Tell whether *text* shows anything on a screen."""
    return any(c.isprintable() and not c.isspace() and c not in UNSEEN for c in text)


def _said(text: str) -> str:
    if not is_seen(text):
        raise ValueError("say why: there is nothing to be seen here")
    return text


Reason = Annotated[PersonText, Field(min_length=1), AfterValidator(_said)]
"""Why somebody does what others will ask about."""
PersonName = Annotated[str, Field(max_length=100), AfterValidator(_printable)]

By = Annotated[
    PersonName,
    Field(description="Who asks, as they say themselves; noted beside the name of a token."),
]


class PlanProblem(Out):
    """One thing that is wrong with a plan."""

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str


class RequestProblem(Out):
    """One part of a request that is wrong; ``pointer`` is a JSON pointer."""

    pointer: str
    code: str
    message: str


class FailingCheck(Out):
    """A check of the service's own that does not hold."""

    check: str
    message: str
    hint: str


class Problem(Out):
    """RFC 9457 problem details; ``type`` is a page of this service."""

    type: str = Field(examples=["/problems/command-rejected"])
    title: str
    status: int
    detail: str
    instance: str
    code: str
    hint: str = Field(description="What to do next.")
    request_id: str
    run_id: str | None = None
    errors: list[PlanProblem | RequestProblem | FailingCheck] | None = None


Answers: TypeAlias = dict[int | str, dict[str, Any]]


def problems(*statuses: int, also: Answers | None = None) -> Answers:
    """Return the documentation of the errors that a call may answer, and of what *also* is."""
    told = {
        401: "Neither a token nor a log-in that is taken",
        403: "Not allowed to this role, or asked under another name or by another site",
        404: "There is no such thing",
        409: "The state does not allow it",
        412: "It is not as you have read it",
        413: "The body is too large",
        415: "The body is of another type",
        422: "Not valid; errors says where",
        429: "Too many requests; Retry-After says when to come back",
        431: "Line and headers are more than 32 KiB or 100",
        500: "Something went wrong inside drorch",
        502: "A hypervisor did not do it",
        503: "Not available now",
    }
    all_of = sorted({401, 403, 413, 422, 429, 503, *statuses})
    found: Answers = {s: {"description": told[s], "content": _problem()} for s in all_of}
    return (also or {}) | found


def _problem() -> dict[str, Any]:
    return {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
