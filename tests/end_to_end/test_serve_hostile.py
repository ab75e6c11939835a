"""The server among slow, silent, foreign and hostile clients: others are answered, nothing is kept for ever."""

import asyncio
import contextlib
import errno
import io
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Mount

from treehead.hierarchy.tree import LabelTree
from treehead.inference.classifier import Classifier
from treehead.posterior.held_out import uncalibrated
from treehead.serve import connections, limits
from treehead.serve.app import build_app
from treehead.serve.batches import Batches
from treehead.serve.connections import BoundedProtocol, server_of
from treehead.types import Array, UserError

PETS = LabelTree.from_nested("pets", ("fine", "kind"), {"mammal": ["cat", "dog"], "fish": ["carp"]})


def even(pixels: Array) -> list[Array]:
    """The class by the mean: dark, middle or bright."""
    leaf = np.minimum(pixels.mean(axis=(1, 2, 3)).astype(int) // 86, 2)
    return [3 * np.eye(3)[leaf], np.zeros((len(leaf), 2))]


CLASSIFIER = Classifier(PETS, (3, 4, 4), "path", uncalibrated(2, "none"), even)


def client(**choices: Any) -> TestClient:
    return TestClient(build_app(CLASSIFIER, name="pets", **choices), base_url="http://localhost")


def picture(grey: int = 0, side: int = 9) -> bytes:
    held = io.BytesIO()
    Image.new("L", (side, side), grey).save(held, "PNG")
    return held.getvalue()


def post(to: TestClient, **headers: str) -> Any:
    return to.post("/api/predict", files=[("images", ("a.png", picture()))], headers=headers)


# ---- batches


def test_waiting_requests_are_predicted_together_and_each_gets_its_own() -> None:
    """While the first is predicted the others gather, and are one batch."""
    sizes: list[int] = []
    gate = threading.Event()

    def slow(pixels: Array) -> list[Array]:
        sizes.append(len(pixels))
        gate.wait(10)
        return even(pixels)

    async def ask() -> list[str]:
        batches = Batches(Classifier(PETS, (3, 4, 4), "path", uncalibrated(2, "none"), slow))
        greys = [0, 100, 200, 100, 0, 200, 200]
        tasks = []
        for grey in greys:
            pixels = np.full((1, 3, 4, 4), grey, np.uint8)
            tasks.append(asyncio.create_task(batches.predict(pixels, None)))
            await asyncio.sleep(0.01)
        gate.set()
        return [(await task).names()[0][0] for task in tasks]

    assert asyncio.run(ask()) == ["cat", "dog", "carp", "dog", "cat", "carp", "carp"]
    assert sizes == [1, 6]


def test_only_requests_below_the_same_node_share_a_batch_and_an_error_is_theirs_alone() -> None:
    async def ask() -> list[object]:
        batches = Batches(CLASSIFIER)
        pixels = np.zeros((2, 3, 4, 4), np.uint8)
        asked = [batches.predict(pixels, under) for under in (None, "fish", "nothing", "mammal", "fish")]
        return await asyncio.gather(*asked, return_exceptions=True)

    free, fish, wrong, mammal, again = asyncio.run(ask())
    assert [answer.names()[0][0] for answer in (free, fish, mammal, again)] == ["cat", "carp", "cat", "carp"]  # pyright: ignore[reportAttributeAccessIssue]
    assert [len(answer) for answer in (free, fish, mammal, again)] == [2] * 4  # pyright: ignore[reportArgumentType]
    assert isinstance(wrong, UserError)


# ---- who asks, and how


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost"}, 200),
        ({"origin": "http://pets.example"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_posts_of_other_sites_are_refused(headers: dict[str, str], status: int) -> None:
    response = post(client(names=["pets.example"]), **headers)
    assert response.status_code == status
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


def test_pages_may_be_linked_from_anywhere() -> None:
    assert client().get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/page/main.js", "/api/model", "/api/tree", "/openapi.json"])
def test_head_is_get_without_content(path: str) -> None:
    served = client()
    whole, head = served.get(path), served.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert served.head("/api/predict").status_code == 405


def test_an_ambiguous_length_is_refused() -> None:
    headers = [("content-length", "4"), ("transfer-encoding", "chunked"), ("content-type", "text/plain")]
    response = client().post("/api/predict", content=b"abcd", headers=headers)
    assert (response.status_code, response.headers["connection"]) == (400, "close")


def test_it_runs_behind_a_path_prefix() -> None:
    """As behind a proxy that serves it at /models/pets/: every address of the pages is relative."""
    app = Starlette(routes=[Mount("/models/pets", build_app(CLASSIFIER, name="pets"))])
    served = TestClient(app, base_url="http://localhost/models/pets/")
    for path in ("", "docs", "openapi.json", "page/main.js", "page/page.css", "api/model", "api/tree", "api/samples"):
        assert served.get(path).status_code == 200, path
    page = served.get("").text
    assert 'src="page/main.js"' in page
    assert 'href="/' not in page
    assert 'src="/' not in page
    assert served.post("api/predict", files=[("images", ("a.png", picture()))]).status_code == 200


def test_a_full_disk_is_the_servers_fault_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", full)
    response = post(client())
    assert response.status_code == 507
    assert response.json() == {"detail": "the server cannot store the request (No space left on device)"}
    assert "a request failed with status 507: the server cannot store the request" in capsys.readouterr().err


def test_a_failure_of_the_network_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    def failing(pixels: Array) -> list[Array]:
        raise RuntimeError("out of memory")

    app = build_app(Classifier(PETS, (3, 4, 4), "path", uncalibrated(2, "none"), failing), name="pets")
    assert post(TestClient(app, base_url="http://localhost")).status_code == 500
    assert "status 500: the network failed (RuntimeError: out of memory)" in capsys.readouterr().err


# ---- a real socket


async def closed(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class Served:
    """The application behind a real socket, in a thread."""

    def __init__(self) -> None:
        import socket

        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.server = server_of(build_app(CLASSIFIER, name="pets"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def end(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        self.listener.close()

    async def ask(self, data: bytes, *, patience: float = 10) -> bytes:
        """Everything that comes back until the server closes the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), patience)
        finally:
            await closed(writer)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(limits.BodyLimit.__init__, "__kwdefaults__", {"max_bytes": 10**6, "seconds": 0.3})
    monkeypatch.setattr(BoundedProtocol, "most", 20)
    server = Served()
    yield server
    server.end()


GET = b"GET /api/model HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST = (
    b"POST /api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    b"Content-Type: multipart/form-data; boundary=e\r\n\r\n--e"
)


@pytest.mark.parametrize(
    ("data", "answer"), [(b"", b""), (b"GET / HTTP/1.1\r\nHost: loc", b""), (POST, b"HTTP/1.1 408 ")]
)
def test_a_client_that_sends_nothing_more_is_not_waited_for(served: Served, data: bytes, answer: bytes) -> None:
    started = time.monotonic()
    assert asyncio.run(served.ask(data)).startswith(answer)
    assert time.monotonic() - started < 5


def test_more_silent_clients_than_connections_do_not_lock_others_out(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 60)

    async def crowd() -> bytes:
        silent = [(await asyncio.open_connection("127.0.0.1", served.port))[1] for _ in range(60)]
        answer = await served.ask(GET)
        assert len(served.server.server_state.connections) <= 21
        await closed(*silent)
        return answer

    assert asyncio.run(crowd()).startswith(b"HTTP/1.1 200 ")


def test_requests_in_one_go_are_all_answered(served: Served) -> None:
    data = GET.replace(b"Connection: close\r\n", b"") * 30 + GET
    assert asyncio.run(served.ask(data)).count(b"HTTP/1.1 200 ") == 31


def test_a_request_hidden_in_another_is_not_answered(served: Served) -> None:
    hidden = GET.replace(b"Connection: close\r\n", b"")
    data = POST.replace(b"1000", b"1000\r\nTransfer-Encoding: chunked").removesuffix(b"--e") + b"0\r\n\r\n" + hidden
    answer = asyncio.run(served.ask(data))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_nothing_is_printed_about_clients_that_hold_on_at_the_end(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async def hold() -> None:
        writers = [(await asyncio.open_connection("127.0.0.1", served.port))[1] for _ in range(3)]
        for writer in writers:
            writer.write(POST)
        await asyncio.sleep(0.1)

        await asyncio.to_thread(served.end)
        await closed(*writers)

    asyncio.run(hold())
    assert [record for record in caplog.records if record.exc_info] == []
