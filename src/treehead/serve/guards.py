"""What every request passes before it is answered: ambiguous lengths and posts of other sites are refused, and every
answer gets the headers that keep a browser safe.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
SAFE = ("GET", "HEAD", "OPTIONS")


class SafeHeaders:
    """Adds `HEADERS` to every answer, and answers HEAD as GET without the content."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"} if is_head else scope, receive, with_headers)


class OneLength:
    """Refuses a request that states its length in two ways: a proxy may read it as two requests, status 400."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stated = [name for name, _ in scope.get("headers", ()) if name in (b"content-length", b"transfer-encoding")]
        if len(stated) < 2:
            await self.app(scope, receive, send)
            return
        detail = "the length of the request is stated more than once; send Content-Length or chunks, not both"
        await JSONResponse({"detail": detail}, 400, {"connection": "close"})(scope, receive, send)


class SameSite:
    """Refuses what a page of another site makes a browser send, status 403. Programs send no such headers."""

    def __init__(self, app: ASGIApp, *, names: Collection[str]) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE or not self._is_foreign(dict(scope["headers"])):
            await self.app(scope, receive, send)
            return
        detail = "this request comes from a page of another site; open the page of this server instead"
        await JSONResponse({"detail": detail}, 403)(scope, receive, send)

    def _is_foreign(self, headers: dict[bytes, bytes]) -> bool:
        if headers.get(b"sec-fetch-site") == b"cross-site":
            return True
        origin = headers.get(b"origin")
        if origin is None:
            return False
        try:
            place = urlsplit(origin.decode("latin-1"))
            host, name = place.netloc.lower(), (place.hostname or "").lower()
        except ValueError:
            return True
        return host != headers.get(b"host", b"").decode("latin-1").lower() and name not in self.names
