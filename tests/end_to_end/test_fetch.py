"""Fetching from a server on this machine that drops, stalls, truncates and lies."""

import errno
import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from treehead.data.cifar100 import ARCHIVE, FOLDER, Release
from treehead.data.fetch import TRIES, fetch
from treehead.types import RunError

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


@dataclass
class Visit:
    """One person fetching: their cache, what they were told, how long they were made to wait."""

    cache: Path
    told: list[tuple[int, int | None]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    @property
    def part(self) -> Path:
        return self.cache / f"{ARCHIVE}.part"

    def fetch(self, *servers: Server, release: Release = RELEASE, **choices: Any) -> Path:
        choices = {"report": lambda *told: self.told.append(told), "timeout_seconds": 5.0} | choices
        mirrors = [server.url for server in servers]
        return fetch(self.cache, mirrors=mirrors, release=release, sleep=self.waited.append, **choices)

    def has_it(self, folder: Path) -> bool:
        """Every file is there, as released, and nothing else is left in the cache."""
        there = {path.name: path.read_bytes() for path in folder.iterdir()}
        return there == FILES and [path.name for path in self.cache.iterdir()] == [FOLDER]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*script: Answer) -> Server:
        server = Server(*script)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.let_go.set()
        server.shutdown()
        server.server_close()


Serve = Callable[..., Server]


@pytest.fixture
def visit(tmp_path: Path) -> Visit:
    return Visit(tmp_path / "cache")


def test_a_good_server_is_asked_once(serve: Serve, visit: Visit) -> None:
    server = serve(good)
    assert visit.has_it(visit.fetch(server))
    assert server.asked == [None]
    assert visit.told[-1] == (len(WHOLE), len(WHOLE))
    assert visit.waited == []


def test_a_broken_connection_is_resumed_where_it_broke(serve: Serve, visit: Visit) -> None:
    server = serve(dropping(1000), dropping(HALF), good)
    assert visit.has_it(visit.fetch(server))
    assert server.asked == [None, "bytes=1000-", f"bytes={HALF}-"]
    assert visit.waited == [1.0, 1.0]


def test_a_stalled_connection_is_given_up_and_resumed(serve: Serve, visit: Visit) -> None:
    server = serve(stalling, good)
    assert visit.has_it(visit.fetch(server, timeout_seconds=0.3))
    assert server.asked[0] is None
    assert 0 < int(str(server.asked[1]).removeprefix("bytes=").removesuffix("-")) <= HALF


@pytest.mark.parametrize("second", [deaf, silent_about_size])
def test_a_server_without_range_starts_over(serve: Serve, visit: Visit, second: Answer) -> None:
    assert visit.has_it(visit.fetch(serve(dropping(HALF), second)))


def test_bytes_from_elsewhere_are_not_used(serve: Serve, visit: Visit) -> None:
    server = serve(dropping(HALF), lying, good)
    assert visit.has_it(visit.fetch(server))
    assert server.asked[-1] is None


def test_a_part_of_unknown_place_is_not_used(serve: Serve, visit: Visit) -> None:
    assert visit.has_it(visit.fetch(serve(dropping(HALF), mumbling, good)))


@pytest.mark.parametrize("passing", [429, 500, 503])
def test_a_passing_failure_is_waited_out_longer_and_longer(serve: Serve, visit: Visit, passing: int) -> None:
    assert visit.has_it(visit.fetch(serve(*3 * [failing(passing)], good)))
    assert visit.waited == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("first", [failing(404), other])
def test_the_next_mirror_is_asked(serve: Serve, visit: Visit, first: Answer) -> None:
    bad, mirror = serve(first), serve(good)
    assert visit.has_it(visit.fetch(bad, mirror))
    assert bad.asked == [None]


def test_the_next_mirror_goes_on_where_the_last_one_stopped(serve: Serve, visit: Visit) -> None:
    bad, mirror = serve(dropping(HALF), failing(404)), serve(good)
    assert visit.has_it(visit.fetch(bad, mirror))
    assert mirror.asked == [f"bytes={HALF}-"]


def test_a_server_that_never_gets_further_is_given_up(serve: Serve, visit: Visit) -> None:
    server = serve(dropping(HALF))
    with pytest.raises(RunError, match=f"broke off after {HALF:,} of {len(WHOLE):,} bytes"):
        visit.fetch(server)
    assert len(server.asked) == 1 + TRIES
    assert visit.part.read_bytes() == WHOLE[:HALF]


def test_a_wrong_checksum_is_never_unpacked(serve: Serve, visit: Visit) -> None:
    with pytest.raises(RunError, match=r"expected MD5 \w+, found .* by hand and name it: data.root=cifar-100-binary"):
        visit.fetch(serve(other))
    assert list(visit.cache.iterdir()) == []


def test_nobody_there_names_the_server_and_the_way_out(serve: Serve, visit: Visit) -> None:
    gone = serve(good)
    gone.server_close()
    with pytest.raises(RunError, match=rf"{gone.url}.*[Rr]efused.*run the same command again"):
        visit.fetch(gone)


def test_ctrl_c_keeps_the_part_and_the_next_call_goes_on(serve: Serve, visit: Visit) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        visit.fetch(serve(good), report=interrupt)
    kept = visit.part.stat().st_size
    assert 0 < kept < len(WHOLE)
    server = serve(good)
    assert visit.has_it(visit.fetch(server))
    assert server.asked == [f"bytes={kept}-"]


def test_a_part_that_is_whole_already_is_not_fetched_again(serve: Serve, visit: Visit) -> None:
    visit.cache.mkdir()
    visit.part.write_bytes(WHOLE)
    assert visit.has_it(visit.fetch(serve(good)))
    assert visit.told == []


@pytest.mark.parametrize("old", [b"of another file", WHOLE + b"too much"])
def test_a_spoilt_part_is_thrown_away_and_the_server_asked_again(serve: Serve, visit: Visit, old: bytes) -> None:
    visit.cache.mkdir()
    visit.part.write_bytes(old)
    server = serve(good)
    assert visit.has_it(visit.fetch(server))
    assert server.asked == [f"bytes={len(old)}-", None]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_full_while_receiving_is_not_blamed_on_the_server(serve: Serve, visit: Visit) -> None:
    server = serve(good)
    with pytest.raises(OSError, match="No space left"):
        visit.fetch(server, report=full)
    assert server.asked == [None]
    assert visit.part.exists()


def test_a_disk_full_while_unpacking_leaves_no_half_folder(
    serve: Serve, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treehead.data.fetch.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        visit.fetch(serve(good))
    assert [path.name for path in visit.cache.iterdir()] == [visit.part.name]


def test_an_older_folder_in_the_cache_is_replaced(serve: Serve, visit: Visit) -> None:
    (visit.cache / FOLDER).mkdir(parents=True)
    (visit.cache / FOLDER / "train.bin").write_bytes(b"half")
    assert visit.has_it(visit.fetch(serve(good)))
