"""Who looks at a page: their name, and the word that only our forms know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import HTTPConnection

from api.locale.choosing import PARAMETER
from drorch.access.principal import Means, Principal

_OWN_PATH = re.compile(r"/[A-Za-z0-9_.~!$&'()*+,;=:@%/?-]*")
_ELSEWHERE = re.compile(r"/(?:/|%2f|%5c)", re.IGNORECASE)
_NOT_AGAIN = re.compile(r"/log(?:in|out)(?:[/?]|$)")
_LONGEST = 500
_MOST_ASKED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody at a browser. ``csrf`` is empty for who has no session; no form needs it then."""

    name: str = ""
    role: str = ""
    csrf: str = ""
    is_logged_in: bool = False
    is_open: bool = False
    asked: tuple[tuple[str, str], ...] = ()
    """What the address asks for behind its question mark."""

    def in_language(self, code: str) -> str:
        """Return the address of this very page in another language."""
        kept = [(name, value) for name, value in self.asked if name != PARAMETER]
        return "?" + urlencode([*kept, (PARAMETER, code)])


NOBODY = Visitor()


def visitor_of(request: HTTPConnection) -> Visitor:
    """Return who looks, as the route's dependency has found it out."""
    state = request.scope.get("state", {})
    asked = tuple(request.query_params.multi_items()[:_MOST_ASKED])
    principal = state.get("principal")
    if not isinstance(principal, Principal):
        return Visitor(asked=asked)
    return Visitor(
        name=principal.name,
        role=str(principal.role),
        csrf=str(state.get("csrf", "")),
        is_logged_in=principal.means is Means.PERSON,
        is_open=principal.means is Means.OPEN,
        asked=asked,
    )


def own_path(given: str) -> str:
    r"""Return *given* if it is a path of this service, else the start page.

    What a browser could take for another site is none: ``//evil``, ``/\evil``, and either with
    its characters encoded or with blanks that browsers leave out.
    """
    is_own = _OWN_PATH.fullmatch(given) and len(given) <= _LONGEST
    if not is_own or _ELSEWHERE.match(given) or _NOT_AGAIN.match(given):
        return "/"
    return given
