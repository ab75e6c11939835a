"""By which names the server may be called, so that no page from elsewhere reaches it through a name of its own.

DNS rebinding: once a stranger's page is loaded, its name is made to point to this machine, and the browser takes the
server here for a part of that page. What such a page asks for carries the stranger's name in its Host header.
"""

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class HostCheck:
    """Refuses with 421 what calls the server by another name than its address, localhost, or one of `names`."""

    def __init__(self, app: ASGIApp, *, names: Collection[str]) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if is_own(host, self.names):
            await self.app(scope, receive, send)
            return
        told = f"this server is not called {host!r}; treehead serve --allow-host NAME lets it answer to another name"
        await JSONResponse({"detail": told}, 421)(scope, receive, send)


def is_own(host: str, names: Collection[str]) -> bool:
    """Whether a Host header (`name`, `name:8100`, `[::1]:8100`) may be answered; `names` in lower case.

    Conventions: any address may: rebinding needs a name.
    """
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:@/\s]+))(?::\d*)?", host)
    if found is None:
        return False
    name = (found[1] or found[2]).lower().removesuffix(".")
    return name == "localhost" or name in names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def names_of(host: str) -> set[str]:
    """What a server that listens on `host` is called: that, and where other machines reach it, this machine's name."""
    if host in LOOPBACK:
        return {host}
    machine = socket.gethostname()
    return {host, machine, f"{machine}.local"}
