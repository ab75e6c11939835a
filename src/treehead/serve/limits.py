"""How much a request may bring: its bytes are counted as they come, before anything is made of them."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 32 * 2**20
MOST_IMAGES = 64
MOST_PIXELS = 50_000_000
"""Of one image: with transparency, a gigabyte while it is decoded."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow's plain decoders. Others, such as EPS, start foreign programs, which a stranger's file should not."""

PATIENCE = 8
"""How many times the limit is read on and thrown away: a browser that cannot finish sending never hears the answer."""


class BodyLimit:
    """Refuses a request whose body is longer than `most` bytes with 413, whatever length it declared."""

    def __init__(self, app: ASGIApp, *, most: int = MOST_BYTES) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        over = declared.isdigit() and int(declared) > self.most
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if over or seen > self.most:
                await _throw_away(receive, message, seen, most=PATIENCE * self.most)
                raise HTTPException(413, f"a request may bring {self.most / 2**20:g} MB; send smaller images, or fewer")
            return message

        await self.app(scope, counted, send)


async def _throw_away(receive: Receive, message: Message, seen: int, *, most: int) -> None:
    while seen <= most and message["type"] == "http.request" and message.get("more_body"):
        message = await receive()
        seen += len(message.get("body", b""))
