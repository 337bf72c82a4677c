"""API tokens: made, shown once, listed, revoked. For admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from api.access import WantedToken, make_token, token_json
from api.auth import Doorkeeper, Keyholder
from api.routes.desk import Desk, TheDesk
from api.routes.idempotency import ONCE, Effect
from api.routes.paging import Cursor, Limit, page_of
from api.schemas import access as shapes
from api.schemas.common import problems
from drorch.run.views import Json

router = APIRouter(tags=["access"])

TokenKey = Annotated[str, Path(max_length=60, description="The token's id or name.")]


@router.get(
    "/tokens", operation_id="list_tokens", response_model=shapes.Tokens, responses=problems()
)
async def list_tokens(
    caller: Keyholder, desk: TheDesk, limit: Limit = 100, cursor: Cursor = None
) -> Json:
    """List the tokens, also those that were revoked; never their secrets."""
    del caller  # whoever may manage access may see it
    return page_of([token_json(token) for token in await desk.app.gate.tokens()], limit, cursor)


@router.post(
    "/tokens",
    operation_id="create_token",
    status_code=201,
    response_model=shapes.TokenMade,
    responses=problems(409),
)
async def create_token(
    wanted: shapes.TokenRequest, request: Request, caller: Keyholder, desk: TheDesk
) -> Response:
    """Make a token. Its secret is in this answer and nowhere else, ever."""
    asked = WantedToken(
        name=wanted.name,
        role=wanted.role,
        days=wanted.expires_in_days,
        addresses=tuple(str(network) for network in wanted.addresses),
    )
    secret, token = await make_token(desk.app, asked, caller)
    _forget(request)
    told = token_json(token)
    answer = JSONResponse({**told, "token": secret}, 201)
    kept = JSONResponse({**told, "token": None}, 201)
    request.scope["state"][ONCE] = bytes(kept.body)
    return answer


async def token_again(desk: Desk, effect: Effect) -> Response:
    """Answer once more for a token that was made before; its secret is gone."""
    token = await desk.app.gate.token(effect.object.removeprefix("token/"))
    return JSONResponse({**token_json(token), "token": None} if token else {}, 201)


@router.delete(
    "/tokens/{token}", operation_id="revoke_token", status_code=204, responses=problems(404)
)
async def revoke_token(token: TokenKey, request: Request, caller: Keyholder, desk: TheDesk) -> None:
    """Revoke a token: from now on it opens nothing."""
    found = caller.act("token.revoke", lambda gone: f"token/{gone.id}")
    await desk.app.gate.revoke_token(token, found)
    _forget(request)


def _forget(request: Request) -> None:
    keeper: Doorkeeper = request.app.state.doorkeeper
    keeper.forget()
