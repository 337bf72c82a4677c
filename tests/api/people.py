"""People for the tests of the log-in: fast hashes would prove nothing, so there are few of them."""

from __future__ import annotations

import re

import httpx2

from api.bootstrap import Application
from api.callers import system_caller
from api.people import NewCodes, add_person
from drorch.access.roles import Role

PASSWORD = "quattro gatti sul tetto"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HTML = {"Accept": "text/html,application/xhtml+xml"}


async def person(
    app: Application, name: str = "mario", role: Role = Role.OPERATOR, *, codes: bool = False
) -> NewCodes | None:
    """Make somebody with `PASSWORD`."""
    return await add_person(
        app, name, role, PASSWORD, with_codes=codes, caller=system_caller("test")
    )


async def log_in(
    http: httpx2.AsyncClient, name: str = "mario", password: str = PASSWORD, **more: str
) -> httpx2.Response:
    """Send the form as a browser does."""
    fields = {"name": name, "password": password, **more}
    return await http.post("/login", data=fields, headers=HTML)


async def csrf_of(http: httpx2.AsyncClient) -> str:
    """Return the word that the start page of a session has in its forms."""
    text = (await http.get("/", headers=HTML)).text
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None, text
    return found[1]
