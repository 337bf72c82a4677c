"""HEAD wherever GET is: the same answer without its body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Answers HEAD as GET is answered, and lets what would stream for ever end at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        begun = False

        async def without_body(message: Message) -> None:
            nonlocal begun
            if message["type"] != "http.response.start":
                return
            begun = True
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        async def gone() -> Message:
            return {"type": "http.disconnect"} if begun else await receive()

        read = {**scope, "method": "GET"}
        try:
            await self._app(read, gone, without_body)
        finally:  # who counts and logs the request looks for its route here
            scope.update({key: value for key, value in read.items() if key != "method"})
