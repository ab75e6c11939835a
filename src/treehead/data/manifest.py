"""A table of images: a row each, with the column `path`, a column per level, and perhaps `split`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from treehead.data.listing import PART_WORDS, Listed, Listing, Part
from treehead.extras import require
from treehead.hierarchy.sources import name_path
from treehead.types import UserError

PATH, SPLIT = "path", "split"
"""The columns that are no level."""


def list_manifest(file: Path, levels: tuple[str, ...] | None = None) -> Listing:
    """Every image that a CSV or Parquet table names, in its order.

    Conventions: paths are relative to the table's folder. The level columns are those that `levels` (leaves first)
        names, else all but `path` and `split`, from the top level to the leaves. A row whose deeper cells are empty
        is known only so far. Commas, semicolons or tabs part the cells of a CSV. A row that stands twice counts once;
        `a.png` and `./a.png` are one path.
    Raises: UserError: no such file, a column is missing, a row without a label, one image with two labels or parts.
    """
    columns = _parquet(file) if file.suffix.lower() in (".parquet", ".pq") else _csv(file)
    named = levels[::-1] if levels else tuple(column for column in columns if column not in (PATH, SPLIT))
    for column in (PATH, *named):
        if column not in columns:
            raise UserError(f"{file} has no column {column!r}; its columns are {', '.join(columns)}")
    if not named:
        raise UserError(f"{file} has no column for a level; beside {PATH!r} it needs one, such as 'class'")
    rows = list(zip(*(columns[column] for column in named), strict=True))
    parts = columns.get(SPLIT, [""] * len(rows))
    seen: dict[Path, Listed] = {}
    again = 0
    for number, (path, cells, word) in enumerate(zip(columns[PATH], rows, parts, strict=True), 1):
        where = f"{file}, row {number}"
        listed = Listed(file.parent / path, name_path(cells, where), _part(word, where))
        if not path:
            raise UserError(f"{where} names no image")
        if not listed.label:
            raise UserError(f"{where}: {path} has no label, not even at the top level; give it one, or drop the row")
        first = seen.setdefault(listed.path, listed)
        if first != listed:
            raise UserError(f"{where}: {path} stands in an earlier row with another label or split; keep one of them")
        again += first is not listed
    if not seen:
        raise UserError(f"{file} has no rows")
    known = {listed.part is not None for listed in seen.values()}
    if len(known) > 1:
        raise UserError(f"{file}: column {SPLIT!r} is empty in some rows; fill it in all of them, or leave it out")
    deepest = max(len(listed.label) for listed in seen.values())
    remarks = (
        (f"{again:,} row{'s stand' if again > 1 else ' stands'} twice and count{'' if again > 1 else 's'} once",)
        if again
        else ()
    )
    return Listing(file.stem, file, named[:deepest][::-1], tuple(seen.values()), remarks)


def _part(word: str, where: str) -> Part | None:
    if not word:
        return None
    part = PART_WORDS.get(word.lower())
    if part is None:
        raise UserError(f"{where}: {SPLIT} is {word!r}; it is train, validation or test")
    return part


def _csv(file: Path) -> dict[str, list[str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is no UTF-8 text; save it as CSV in UTF-8") from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as error:
        raise UserError(f"{file} is no CSV: {error}") from None
    if not rows:
        raise UserError(f"{file} is empty")
    names, width = [name.strip() for name in rows[0]], len(rows[0])
    if len(set(names)) < width:
        raise UserError(f"{file} names a column twice: {', '.join(names)}")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != width:
            raise UserError(f"{file}, row {number}: {len(row)} cells under {width} columns")
    return {name: [row[column].strip() for row in rows[1:]] for column, name in enumerate(names)}


def _parquet(file: Path) -> dict[str, list[str]]:
    require("pyarrow")
    from pyarrow import ArrowException, parquet

    try:
        table: dict[str, Sequence[object]] = parquet.read_table(file).to_pydict()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}") from None
    except ArrowException as error:
        raise UserError(f"{file} is no Parquet table: {error}") from None
    return {name: ["" if cell is None else str(cell).strip() for cell in cells] for name, cells in table.items()}
