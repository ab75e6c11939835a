"""Fetch CIFAR-100: resumed where it broke off, from a list of mirrors, moved into place only when whole and right."""

import contextlib
import hashlib
import http.client
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from treehead.data.cifar100 import ARCHIVE, FOLDER, RELEASE, Release
from treehead.types import RunError

MIRRORS = (
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "http://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
)
TRIES = 5
"""Times a mirror is asked without a new byte before the next one is."""
CHUNK = 1 << 16

Report = Callable[[int, int | None], None]
"""Told (bytes there, bytes in all or None if the server does not say)."""


class _Broken(Exception):
    """A mirror failed; the message says how."""


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
    """
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{ARCHIVE}.part"
    failure = "no mirror is known"
    for mirror in mirrors:
        try:
            _download(mirror, part, report=report, timeout_seconds=timeout_seconds, sleep=sleep)
            _verify(part, release.md5)
            return _unpack(part, cache, release)
        except _Broken as error:
            failure = f"{mirror}: {error}"
    raise RunError(
        f"cannot fetch CIFAR-100 ({failure}); what has come is kept and the same command goes on, or download "
        f"{ARCHIVE} by hand and name it: data.root={ARCHIVE}"
    )


def _download(url: str, part: Path, *, report: Report, timeout_seconds: float, sleep: Callable[[float], None]) -> None:
    in_vain = 0
    while True:
        before = _size(part)
        try:
            if _ask(url, part, report=report, timeout_seconds=timeout_seconds):
                return
            why = "the connection broke off"
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:  # our part is longer than the file: it is not this file's
                part.unlink()
            elif error.code < 500:
                raise _Broken(f"the server answers {error.code} {error.reason}") from None
            why = f"the server answers {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            why = str(getattr(error, "reason", "") or error) or type(error).__name__
        in_vain = 0 if _size(part) > before else in_vain + 1
        if in_vain >= TRIES:
            raise _Broken(why)
        sleep(2.0 ** max(in_vain - 1, 0))


def _ask(url: str, part: Path, *, report: Report, timeout_seconds: float) -> bool:
    """Ask for the bytes that are missing and append them; True once all are there."""
    have = _size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
        start, total = _range_of(response)
        if start not in (0, have):
            part.unlink(missing_ok=True)  # a range nobody asked for: start over
            return False
        with part.open("ab" if start else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                report(file.tell(), total)
    return total is None or _size(part) == total


def _range_of(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """(first byte that comes, size of the whole or None)."""
    if response.status == 206:
        place, _, whole = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        first = place.partition("-")[0]
        return int(first) if first.isdigit() else -1, int(whole) if whole.isdigit() else None
    length = response.headers.get("Content-Length")
    return 0, int(length) if length else None


def _verify(part: Path, md5: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        part.unlink()
        raise _Broken(f"expected MD5 {md5}, found {found}")


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
