"""A local file server that disconnects, stalls, truncates and sends wrong ranges, as its script says."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from treehead.data.cifar100 import ARCHIVE, FOLDER, Release

FILES = {
    name: np.random.default_rng(seed).bytes(60_000)  # random bytes, which gzip cannot compress
    for seed, name in enumerate(("train.bin", "test.bin", "fine_label_names.txt"))
}


def packed() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in FILES.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        outside = tarfile.TarInfo("../../train.bin.evil")
        archive.addfile(outside, io.BytesIO())
    return buffer.getvalue()


WHOLE = packed()
HALF = len(WHOLE) // 2
RELEASE = Release(md5=hashlib.md5(WHOLE, usedforsecurity=False).hexdigest())


class Request(BaseHTTPRequestHandler):
    """Answers each request as the next entry of the server's script says."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        requested, script = self.headers.get("Range"), self.server.script
        self.server.ranges.append(requested)
        answer = script.pop(0) if len(script) > 1 else script[0]
        answer(self, int(requested.removeprefix("bytes=").removesuffix("-")) if requested else 0)

    def send(self, code: int, body: bytes, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


Answer = Callable[[Request, int], None]


class Server(ThreadingHTTPServer):
    """Gives the answers of its script one after the other, then repeats the last one; records the requested ranges."""

    def __init__(self, *script: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.script, self.ranges = list(script), list[str | None]()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{ARCHIVE}"


def good(request: Request, start: int, body: bytes = WHOLE, stop: int | None = None) -> None:
    """Answer as RFC 9110 says, but disconnect before byte `stop`."""
    if start >= len(body):
        request.send(416, b"", Content_Range=f"bytes */{len(body)}")
    elif start:
        where = f"bytes {start}-{len(body) - 1}/{len(body)}"
        request.send(206, body[start:stop], Content_Range=where, Content_Length=len(body) - start)
    else:
        request.send(200, body[:stop], Content_Length=len(body))


def dropping(stop: int) -> Answer:
    return lambda request, start: good(request, start, stop=stop)


def ignoring_range(request: Request, start: int) -> None:
    """Ignore the range and send the whole file."""
    good(request, 0)


def other(request: Request, start: int) -> None:
    """Send another file."""
    good(request, start, body=b"<html>please log in</html>")


def failing(code: int) -> Answer:
    return lambda request, start: request.send(code, b"no")


def wrong_range(request: Request, start: int) -> None:
    """Send another range than requested."""
    request.send(206, WHOLE[10:], Content_Range=f"bytes 10-{len(WHOLE) - 1}/{len(WHOLE)}")


def unlabelled_range(request: Request, start: int) -> None:
    """Send a partial response without its range."""
    request.send(206, WHOLE[start:], Content_Length=len(WHOLE) - start)


def without_length(request: Request, start: int) -> None:
    request.send(200, WHOLE)


def stalling(request: Request, start: int) -> None:
    """Send half of the file and then nothing, without disconnecting."""
    good(request, start, stop=HALF)
    assert isinstance(request.server, Server)
    request.server.released.wait(10)
