"""Files and names that others made: read no further than their honest size, and shown without harm."""

import json
import math
import stat
import tomllib
import unicodedata
from pathlib import Path
from typing import Any, TextIO

from treehead.types import UserError

MOST_SHOWN = 200
"""Characters of a value that a message repeats."""
MOST_NAME = 100
"""Characters of a name that becomes the name of a file."""
MOST_TEXT = 2**28
"""Bytes of a table, a tree or a record."""
MOST_CONFIG = 2**20
"""Bytes of a config or of a study."""
SAFE_FORMATS = frozenset("\u200c\u200d\ufe0f")
"""Invisible characters that letters of some scripts and emoji are joined with; others can hide or turn text."""


def check_regular(path: Path) -> int:
    """The size of the file at `path`.

    Conventions: a link to a file counts as the file.
    Raises: UserError: it is a folder, a pipe, a device or a socket, which may block or never end. OSError: it cannot be
        examined, for example because there is none.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a device or a socket"
        raise UserError(f"{shown_path(path)} is {kind}, not a file")
    return status.st_size


def read_bytes(path: Path, *, most: int = MOST_TEXT) -> bytes:
    """The content of a regular file. Raises: UserError: as `check_regular`, or it is larger than `most`. OSError."""
    size = check_regular(path)
    if size > most:
        raise UserError(f"{shown_path(path)} has {size:,} bytes, more than the {most:,} that are read of such a file")
    with path.open("rb") as file:
        return file.read(most)


def read_text(path: Path, *, most: int = MOST_TEXT) -> str:
    """A UTF-8 text with or without a byte order mark; every end of line is a newline.

    Raises: UserError: as `read_bytes`, or it is not UTF-8. OSError: it cannot be read.
    """
    try:
        text = read_bytes(path, most=most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{shown_path(path)} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parsed_json(text: str) -> Any:
    """Raises: ValueError: `text` is not JSON, or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parsed_toml(text: str) -> dict[str, Any]:
    """Raises: ValueError: `text` is not TOML, or nested too deeply."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def shown(value: object, most: int = MOST_SHOWN) -> str:
    """`repr(value)` on one line, cut after `most` characters."""
    if isinstance(value, int) and abs(value) >= 10**40:
        return f"an integer of about {round(value.bit_length() * math.log10(2)):,} digits"
    try:
        text = repr(value[: 2 * most] if isinstance(value, str | bytes | list | tuple) else value)
    except (ValueError, RecursionError):  # an integer of thousands of digits within, or deep nesting
        return f"a {type(value).__name__}"
    return cut(printable(text), most)


def composed(name: str) -> str:
    """A name with its accents in the form that most systems write; some file systems take them apart (NFC and NFD)."""
    return unicodedata.normalize("NFC", name)


def shown_path(path: Path | str) -> str:
    """A path for a message: on one line, without control characters."""
    return cut(printable(str(path)), 2 * MOST_SHOWN)


def cut(text: str, most: int = MOST_SHOWN) -> str:
    """`text` with its middle left out where it is longer than `most` characters."""
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]} ... {text[-(most // 3) :]}"


def printable(text: str, *, lines: bool = False) -> str:
    """`text` with control characters and other invisible ones escaped, so that a terminal cannot be made to obey them.

    lines: keeps ends of lines and tabs.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _is_shown(character, lines) else _escaped(character) for character in text)


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print lines in which others' names may be, see `printable`."""
    print(*(printable(line, lines=True) for line in lines), sep="\n", file=file, flush=True)


def json_line(value: object) -> str:
    """`value` as JSON on one line, every invisible character escaped."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if _is_shown(c, False) else f"\\u{ord(c):04x}" if ord(c) < 128 else json.dumps(c)[1:-1] for c in text
    )


def _is_shown(character: str, lines: bool) -> bool:
    if lines and character in "\n\t":
        return True
    kind = unicodedata.category(character)
    return kind not in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in SAFE_FORMATS


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"


def is_file_name(name: str) -> bool:
    """Whether `name` can be part of a file's name on every platform, and stays in its folder."""
    plain = 0 < len(name) <= MOST_NAME and not {"/", "\\"} & set(name) and printable(name) == name
    return plain and name.strip(". ") == name


def check_file_name(name: str, what: str) -> str:
    """`name`, checked once more where a file is named after it. Raises: UserError: see `is_file_name`."""
    if not is_file_name(name):
        raise UserError(f"{what} {shown(name)} cannot be part of the name of a file; rename it")
    return name
