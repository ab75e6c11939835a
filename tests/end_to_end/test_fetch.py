"""Downloading the archive, from good and from faulty servers."""

import errno
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from odd_server import (
    FILES,
    HALF,
    RELEASE,
    WHOLE,
    Answer,
    Server,
    dropping,
    failing,
    good,
    ignoring_range,
    other,
    stalling,
    unlabelled_range,
    without_length,
    wrong_range,
)

from treehead.data.cifar100 import ARCHIVE, FOLDER, Release
from treehead.data.fetch import TRIES, fetch
from treehead.types import RunError


@dataclass
class User:
    """One user who downloads: the cache, the reported progress, and the waiting times."""

    cache: Path
    progress: list[tuple[int, int | None]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    @property
    def part(self) -> Path:
        return self.cache / f"{ARCHIVE}.part"

    def fetch(self, *servers: Server, release: Release = RELEASE, **choices: Any) -> Path:
        choices = {"on_progress": lambda *progress: self.progress.append(progress), "timeout_seconds": 5.0} | choices
        mirrors = [server.url for server in servers]
        return fetch(self.cache, mirrors=mirrors, release=release, sleep=self.waited.append, **choices)

    def is_complete(self, folder: Path) -> bool:
        """Every file is as released, and nothing else is in the cache."""
        contents = {path.name: path.read_bytes() for path in folder.iterdir()}
        return contents == FILES and [path.name for path in self.cache.iterdir()] == [FOLDER]


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
        server.released.set()
        server.shutdown()
        server.server_close()


Serve = Callable[..., Server]


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "cache")


def test_a_good_server_gets_one_request(serve: Serve, user: User) -> None:
    server = serve(good)
    assert user.is_complete(user.fetch(server))
    assert server.ranges == [None]
    assert user.progress[-1] == (len(WHOLE), len(WHOLE))
    assert user.waited == []


def test_a_broken_connection_is_resumed(serve: Serve, user: User) -> None:
    server = serve(dropping(1000), dropping(HALF), good)
    assert user.is_complete(user.fetch(server))
    assert server.ranges == [None, "bytes=1000-", f"bytes={HALF}-"]
    assert user.waited == [1.0, 1.0]


def test_a_stalled_connection_is_closed_and_resumed(serve: Serve, user: User) -> None:
    server = serve(stalling, good)
    assert user.is_complete(user.fetch(server, timeout_seconds=0.3))
    assert server.ranges[0] is None
    assert 0 < int(str(server.ranges[1]).removeprefix("bytes=").removesuffix("-")) <= HALF


@pytest.mark.parametrize("second", [ignoring_range, without_length])
def test_a_server_without_ranges_starts_over(serve: Serve, user: User, second: Answer) -> None:
    assert user.is_complete(user.fetch(serve(dropping(HALF), second)))


def test_bytes_of_another_range_are_discarded(serve: Serve, user: User) -> None:
    server = serve(dropping(HALF), wrong_range, good)
    assert user.is_complete(user.fetch(server))
    assert server.ranges[-1] is None


def test_a_partial_response_without_a_range_is_discarded(serve: Serve, user: User) -> None:
    assert user.is_complete(user.fetch(serve(dropping(HALF), unlabelled_range, good)))


@pytest.mark.parametrize("code", [429, 500, 503])
def test_the_waiting_time_doubles_after_each_temporary_error(serve: Serve, user: User, code: int) -> None:
    assert user.is_complete(user.fetch(serve(*3 * [failing(code)], good)))
    assert user.waited == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("first", [failing(404), other])
def test_the_next_mirror_is_tried(serve: Serve, user: User, first: Answer) -> None:
    bad, mirror = serve(first), serve(good)
    assert user.is_complete(user.fetch(bad, mirror))
    assert bad.ranges == [None]


def test_the_next_mirror_resumes_the_partial_download(serve: Serve, user: User) -> None:
    bad, mirror = serve(dropping(HALF), failing(404)), serve(good)
    assert user.is_complete(user.fetch(bad, mirror))
    assert mirror.ranges == [f"bytes={HALF}-"]


def test_a_server_without_progress_is_given_up(serve: Serve, user: User) -> None:
    server = serve(dropping(HALF))
    with pytest.raises(RunError, match=f"was closed after {HALF:,} of {len(WHOLE):,} bytes"):
        user.fetch(server)
    assert len(server.ranges) == 1 + TRIES
    assert user.part.read_bytes() == WHOLE[:HALF]


def test_an_archive_with_a_wrong_checksum_is_not_unpacked(serve: Serve, user: User) -> None:
    with pytest.raises(RunError, match=r"expected MD5 \w+, found .* manually and set data.root=cifar-100-binary"):
        user.fetch(serve(other))
    assert list(user.cache.iterdir()) == []


def test_an_unreachable_server_is_named(serve: Serve, user: User) -> None:
    closed = serve(good)
    closed.server_close()
    with pytest.raises(RunError, match=rf"{closed.url}.*[Rr]efused.*run the same command again"):
        user.fetch(closed)


def test_ctrl_c_keeps_the_partial_download_and_the_next_call_resumes_it(serve: Serve, user: User) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        user.fetch(serve(good), on_progress=interrupt)
    kept = user.part.stat().st_size
    assert 0 < kept < len(WHOLE)
    server = serve(good)
    assert user.is_complete(user.fetch(server))
    assert server.ranges == [f"bytes={kept}-"]


def test_a_complete_partial_download_is_not_downloaded_again(serve: Serve, user: User) -> None:
    user.cache.mkdir()
    user.part.write_bytes(WHOLE)
    assert user.is_complete(user.fetch(serve(good)))
    assert user.progress == []


@pytest.mark.parametrize("old", [b"of another file", WHOLE + b"too much"])
def test_a_damaged_partial_download_is_discarded(serve: Serve, user: User, old: bytes) -> None:
    user.cache.mkdir()
    user.part.write_bytes(old)
    server = serve(good)
    assert user.is_complete(user.fetch(server))
    assert server.ranges == [f"bytes={len(old)}-", None]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_while_downloading_is_not_a_network_error(serve: Serve, user: User) -> None:
    server = serve(good)
    with pytest.raises(OSError, match="No space left"):
        user.fetch(server, on_progress=full)
    assert server.ranges == [None]
    assert user.part.exists()


def test_a_full_disk_while_unpacking_leaves_no_partial_folder(
    serve: Serve, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("treehead.data.fetch.shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        user.fetch(serve(good))
    assert [path.name for path in user.cache.iterdir()] == [user.part.name]


def test_an_older_folder_in_the_cache_is_replaced(serve: Serve, user: User) -> None:
    (user.cache / FOLDER).mkdir(parents=True)
    (user.cache / FOLDER / "train.bin").write_bytes(b"half")
    assert user.is_complete(user.fetch(serve(good)))
