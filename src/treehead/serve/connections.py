"""Connections that are bounded in number and in time: a client that is slow, silent or one of thousands costs others
nothing.
"""

import asyncio
import logging
import socket
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from treehead.system import most_open_files

HEAD_SECONDS = 10.0
"""A client has so long to send the head of a request."""
RESERVED_FILES, MOST_CONNECTIONS = 64, 1000
ACCEPTED_AT_ONCE, QUEUE = 8, 1024
"""Connections that are accepted in one go, and that the system keeps waiting meanwhile."""


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with a time limit for heads; where there are too many connections, the longest silent one is closed."""

    most = max(16, min(MOST_CONNECTIONS, most_open_files() - RESERVED_FILES))
    silent: ClassVar[dict["BoundedProtocol", None]] = {}
    """The connections whose request has not come yet, the longest waiting first."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self.most:
            longest = next(iter(self.silent))  # perhaps this one, where all others are being answered
            longest._stop_waiting()
            longest.transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_waiting():
            self._wait()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_waiting():
            self.silent[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_waiting(self) -> bool:
        answered = self.cycle is None or self.cycle.response_complete
        return answered and self.conn.their_state is h11.IDLE

    def _wait(self) -> None:
        self.silent.setdefault(self)
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        self.silent.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class QuietServer(uvicorn.Server):
    """A server that accepts few connections at a time, so that their number stays within its bound."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(QUEUE)


class _Unremarkable(logging.Filter):
    """Leaves out what a stop does to requests that were under way, and what a client did wrong."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        stopped = isinstance(error, asyncio.CancelledError | KeyboardInterrupt)
        text = record.getMessage()
        return not stopped and not text.startswith(
            ("Cancel ", "Invalid HTTP request", "Unsupported upgrade", "No supported")
        )


def server_of(app: Any) -> QuietServer:
    """A server for an ASGI application."""
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=3,
        backlog=ACCEPTED_AT_ONCE,
    )
    logging.getLogger("uvicorn.error").addFilter(_Unremarkable())
    return QuietServer(config)
