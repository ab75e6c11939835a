"""Fetching the archive, from good servers and from bad ones."""

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
    deaf,
    dropping,
    failing,
    good,
    lying,
    mumbling,
    other,
    silent_about_size,
    stalling,
)

from treehead.data.cifar100 import ARCHIVE, FOLDER, Release
from treehead.data.fetch import TRIES, fetch
from treehead.types import RunError


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
