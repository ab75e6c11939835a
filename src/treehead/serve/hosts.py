"""Check the Host header of requests, against DNS rebinding.

In this attack the domain of a malicious page is changed to resolve to this machine once the page is loaded, so the
browser lets the page read what the server answers. Its requests have the malicious domain in their Host header.
"""

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class HostCheck:
    """Refuses requests with status 421 unless their Host is an IP address, localhost or one of `names`."""

    def __init__(self, app: ASGIApp, *, names: Collection[str]) -> None:
        self.app = app
        self.names = frozenset(name.lower() for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if is_allowed(host, self.names):
            await self.app(scope, receive, send)
            return
        message = f"host {host!r} is not allowed; treehead serve --allow-host NAME allows another host name"
        await JSONResponse({"detail": message}, 421)(scope, receive, send)


def is_allowed(host: str, names: Collection[str]) -> bool:
    """Whether a Host header (`name`, `name:8100`, `[::1]:8100`) is allowed; `names` are lower case.

    Conventions: every IP address is allowed, since DNS rebinding needs a name.
    """
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:@/\s]+))(?::\d*)?", host)
    if match is None:
        return False
    name = (match[1] or match[2]).lower().removesuffix(".")
    return name == "localhost" or name in names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def names_of(host: str) -> set[str]:
    """The names of a server that listens on `host`; other machines may also use the host name of this machine."""
    if host in LOOPBACK:
        return {host}
    machine = socket.gethostname()
    return {host, machine, f"{machine}.local"}
