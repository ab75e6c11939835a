"""Custom images listed in a table: a row per image, with the column `path`, a column per level, and maybe `split`."""

import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from treehead.data.listing import PART_NAMES, ImageEntry, Listing, Part
from treehead.extras import require
from treehead.hierarchy.sources import name_path
from treehead.inputs import MOST_TEXT, check_regular, cut, printable, read_text, shown, shown_path
from treehead.types import UserError, UserErrors

PATH, SPLIT = "path", "split"
"""The columns that are not levels."""
FEW_ROWS = 10
"""A table with fewer rows may have another class in every row."""
MOST_RATIO = 100
"""A Parquet table may unpack to so many times its size."""


def list_manifest(file: Path, levels: tuple[str, ...] | None = None) -> Listing:
    """List every image that a CSV or Parquet table names, in the order of its rows.

    Conventions: paths are relative to the table's folder; `a.png` and `./a.png` are the same path. The level columns
        are those in `levels` (leaves first), else all but `path` and `split`, which a table has from the top level to
        the leaves: their order is reversed here, to leaves first. The deepest cells of a row may be empty: its label
        is not known there. Cells of a CSV are separated by commas, semicolons or tabs. A duplicate row counts once.
    Raises: UserError: no such file, a missing column, a row without a label, an image with two labels or parts.
    """
    columns = _parquet(file) if file.suffix.lower() in (".parquet", ".pq") else _csv(file)
    index = [column for column in columns if _is_index(column)] if levels is None else []
    levels = levels or tuple(column for column in columns if column not in (PATH, SPLIT, *index))[::-1]
    for column in (PATH, *levels):
        if column not in columns:
            raise UserError(f"{file} has no column {shown(column)}; its columns are {_listed(columns)}")
    if not levels:
        raise UserError(f"{file} has no column for a level; besides {PATH!r} it needs one, for example 'class'")
    rows = _entries(file, columns, levels)
    entries = tuple(dict.fromkeys(rows))
    if not entries:
        raise UserError(f"{file} has no rows")
    if len({entry.part is None for entry in entries}) > 1:
        raise UserError(f"{file}: column {SPLIT!r} is empty in some rows; fill it in every row or remove the column")
    depth = max(len(entry.label) for entry in entries)
    duplicates = len(rows) - len(entries)
    warnings = [f"ignored {duplicates:,} duplicate row{'s' if duplicates > 1 else ''}"] if duplicates else []
    warnings += [f"the column {shown(column)} numbers the rows and is no level" for column in index]
    warnings += _columns_like_ids(levels, columns, len(rows))
    taken = (
        f"; the columns {_listed(levels[::-1])} were taken for levels, data.levels={json.dumps(levels[:1])} takes fewer"
    )
    return Listing(file.stem, file, levels[-depth:], entries, tuple(warnings), taken)


def _is_index(column: str) -> bool:
    """Whether a column has a name that pandas gives to the numbers of rows."""
    return re.fullmatch(r"|Unnamed: \d+|__index_level_\d+__", column) is not None


def _columns_like_ids(levels: Sequence[str], columns: dict[str, list[str]], num_rows: int) -> Iterator[str]:
    """A sentence for each level that has another class in every row, as an id has, or numbers for its names."""
    for level in levels:
        named = [cell for cell in columns[level] if cell]
        if num_rows > FEW_ROWS and len(set(named)) == num_rows:
            yield (
                f"the column {shown(level)} was taken for a level, and has another class in every row; data.levels "
                "names the columns that are levels"
            )
        elif named and all(re.fullmatch(r"[-+]?\d+(\.\d+)?", cell) for cell in named):
            yield f"the column {shown(level)} was taken for a level, with numbers as classes; data.levels names others"


def _listed(names: Iterable[str]) -> str:
    return cut(printable(", ".join(names)))


def _entries(file: Path, columns: dict[str, list[str]], levels: Sequence[str]) -> list[ImageEntry]:
    """An entry per row. Raises: UserErrors: rows without path or label, images with two labels or parts."""
    labels = list(zip(*(columns[level] for level in levels), strict=True))
    parts = columns.get(SPLIT, [""] * len(labels))
    entries: dict[Path, ImageEntry] = {}
    rows, problems = [], []
    for number, (path, cells, part) in enumerate(zip(columns[PATH], labels, parts, strict=True), 1):
        try:
            entry = _entry(file, number, path, cells, part)
        except UserError as error:
            problems.append(str(error))
            continue
        if entries.setdefault(entry.path, entry) != entry:
            problems.append(
                f"{file}, row {number}: {shown_path(path)} has another label or split in an earlier row; remove one of "
                "the rows"
            )
        rows.append(entry)
    if problems:
        raise UserErrors(problems)
    return rows


def _entry(file: Path, number: int, path: str, cells: Sequence[str], part: str) -> ImageEntry:
    """The entry of one row. Raises: UserError: it has no path or no label, or an unknown part."""
    row = f"{file}, row {number}"
    entry = ImageEntry(_located(file.parent, path), name_path(cells, row), _part(part, row))
    if not path:
        raise UserError(f"{row} has no path")
    if not entry.label:
        raise UserError(f"{row}: {shown_path(path)} has no label, not even at the top level; add one or remove the row")
    return entry


def _located(folder: Path, path: str) -> Path:
    """The file that a cell names: with the separators of Windows, and with accents in whatever form, if it is there."""
    if "\0" in path:
        raise UserError(f"the path {shown(path)} has a NUL character")
    place = folder / path
    if "\\" not in path and path.isascii():
        return place
    others = [path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))]
    others += [other.replace("\\", "/") for other in others]
    return next((folder / other for other in others if os.path.lexists(folder / other)), place)


def _part(cell: str, row: str) -> Part | None:
    if not cell:
        return None
    part = PART_NAMES.get(cell.lower())
    if part is None:
        raise UserError(f"{row}: {SPLIT} is {shown(cell)}; it must be train, validation or test")
    return part


def _csv(file: Path) -> dict[str, list[str]]:
    try:
        text = read_text(file)
    except OSError as error:
        raise UserError(f"cannot read {shown_path(file)}: {error.strerror}") from None
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if any(row)]
    except csv.Error as error:
        raise UserError(f"{shown_path(file)} is not valid CSV: {cut(printable(str(error)))}") from None
    if not rows:
        raise UserError(f"{file} is empty")
    names, width = [name.strip() for name in rows[0]], len(rows[0])
    if len(set(names)) < width:
        raise UserError(f"{file} has two columns of the same name: {_listed(names)}")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != width:
            raise UserError(f"{file}, row {number}: {len(row)} cells, but the header has {width}")
    return {name: [row[column].strip() for row in rows[1:]] for column, name in enumerate(names)}


def _parquet(file: Path) -> dict[str, list[str]]:
    require("pyarrow")
    from pyarrow import ArrowException, parquet

    try:
        size, metadata = check_regular(file), parquet.read_metadata(file)
        groups = (metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        if sum(groups) > max(MOST_TEXT, MOST_RATIO * size):
            raise UserError(
                f"{shown_path(file)} has {size:,} bytes but says that it unpacks to far more; it is damaged"
            )
        table: dict[str, Sequence[object]] = parquet.read_table(file).to_pydict()
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"cannot read {shown_path(file)}: {cut(printable(str(error.strerror or error)))}") from None
    except (ArrowException, ValueError, OverflowError, MemoryError) as error:
        reason = cut(printable(str(error)))
        raise UserError(f"{shown_path(file)} is not a Parquet table: {reason}") from None
    return {name: [_text(cell) for cell in cells] for name, cells in table.items()}


def _text(cell: object) -> str:
    """A cell of a Parquet table as text; none is empty. A whole number is written without the .0 of a float column."""
    if cell is None or cell != cell:  # NaN is not equal to itself
        return ""
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()
