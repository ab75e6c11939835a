"""Limits of a request; its bytes and its time are counted as they arrive, before they are parsed."""

import time

import anyio
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 32 * 2**20
MAX_IMAGES = 64
MAX_PIXELS = 50_000_000
"""Per image; reading one with transparency takes a gigabyte of memory."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats that Pillow reads by itself. For others, such as EPS, it runs external programs: unsafe for uploads."""

DISCARDED = 8
"""Multiple of the limit that is read and discarded: a browser that cannot finish sending ignores the response."""
BODY_SECONDS, BYTES_PER_SECOND = 20.0, 16_000
"""A body may take so long, and longer only if it comes at this rate: half a megabit a second will do."""


class BodyLimit:
    """Refuses a body that is longer than `max_bytes` with 413, whatever length it declared, and a slow one with 408."""

    def __init__(self, app: ASGIApp, *, max_bytes: int = MAX_BYTES, seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        over = declared.isdigit() and (len(declared) > 18 or int(declared) > self.max_bytes)
        received, started, complete = 0, time.monotonic(), False

        async def counted() -> Message:
            nonlocal received, complete
            if complete:  # from here on, `receive` waits for the client to go
                return await receive()
            message = await self._in_time(receive, started, received)
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if over or received > self.max_bytes:
                with anyio.move_on_after(self.seconds):
                    await _discard(receive, message, received, limit=DISCARDED * self.max_bytes)
                limit = f"{self.max_bytes / 2**20:g} MB"
                raise HTTPException(413, f"a request is limited to {limit}; send smaller or fewer images")
            return message

        await self.app(scope, counted, send)

    async def _in_time(self, receive: Receive, started: float, received: int) -> Message:
        """The next part of a body. Raises: HTTPException: it does not come in time."""
        left = started + self.seconds + received / BYTES_PER_SECOND - time.monotonic()
        with anyio.move_on_after(max(left, 0)):
            return await receive()
        raise HTTPException(408, "the request was sent too slowly; send it again", {"connection": "close"})


async def _discard(receive: Receive, message: Message, received: int, *, limit: int) -> None:
    while received <= limit and message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        received += len(message.get("body", b""))
