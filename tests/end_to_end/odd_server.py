"""A file server on this machine that drops, stalls, truncates and lies, as its script says."""

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
    name: np.random.default_rng(seed).bytes(60_000)  # noise: gzip cannot make it small
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
    """Answers like a good server; a test's script says how each answer goes wrong."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        asked, script = self.headers.get("Range"), self.server.script
        self.server.asked.append(asked)
        answer = script.pop(0) if len(script) > 1 else script[0]
        answer(self, int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0)

    def send(self, code: int, body: bytes, **headers: object) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


Answer = Callable[[Request, int], None]


class Server(ThreadingHTTPServer):
    """Gives the answers of its script one after the other, the last one for ever."""

    def __init__(self, *script: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.script, self.asked = list(script), list[str | None]()
        self.let_go = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{ARCHIVE}"


def good(request: Request, start: int, body: bytes = WHOLE, stop: int | None = None) -> None:
    """Keep to RFC 9110, but break off before byte `stop`."""
    if start >= len(body):
        request.send(416, b"", Content_Range=f"bytes */{len(body)}")
    elif start:
        where = f"bytes {start}-{len(body) - 1}/{len(body)}"
        request.send(206, body[start:stop], Content_Range=where, Content_Length=len(body) - start)
    else:
        request.send(200, body[:stop], Content_Length=len(body))


def dropping(stop: int) -> Answer:
    return lambda request, start: good(request, start, stop=stop)


def deaf(request: Request, start: int) -> None:
    """Knows no Range."""
    good(request, 0)


def other(request: Request, start: int) -> None:
    """Gives another file."""
    good(request, start, body=b"<html>please log in</html>")


def failing(code: int) -> Answer:
    return lambda request, start: request.send(code, b"no")


def lying(request: Request, start: int) -> None:
    """Gives bytes from elsewhere than asked."""
    request.send(206, WHOLE[10:], Content_Range=f"bytes 10-{len(WHOLE) - 1}/{len(WHOLE)}")


def mumbling(request: Request, start: int) -> None:
    """Gives a part and does not say which."""
    request.send(206, WHOLE[start:], Content_Length=len(WHOLE) - start)


def silent_about_size(request: Request, start: int) -> None:
    request.send(200, WHOLE)


def stalling(request: Request, start: int) -> None:
    """Gives a half and then nothing, without hanging up."""
    good(request, start, stop=HALF)
    assert isinstance(request.server, Server)
    request.server.let_go.wait(10)
