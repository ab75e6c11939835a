"""Limits of a request; its bytes are counted as they arrive, before they are parsed."""

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


class BodyLimit:
    """Refuses a request whose body is longer than `max_bytes` with status 413, whatever length it declared."""

    def __init__(self, app: ASGIApp, *, max_bytes: int = MAX_BYTES) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        over = declared.isdigit() and int(declared) > self.max_bytes
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if over or received > self.max_bytes:
                await _discard(receive, message, received, limit=DISCARDED * self.max_bytes)
                limit = f"{self.max_bytes / 2**20:g} MB"
                raise HTTPException(413, f"a request is limited to {limit}; send smaller or fewer images")
            return message

        await self.app(scope, counted, send)


async def _discard(receive: Receive, message: Message, received: int, *, limit: int) -> None:
    while received <= limit and message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        received += len(message.get("body", b""))
