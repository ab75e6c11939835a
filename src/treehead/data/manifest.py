"""Custom images listed in a table: a row per image, with the column `path`, a column per level, and maybe `split`."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from treehead.data.listing import PART_NAMES, ImageEntry, Listing, Part
from treehead.extras import require
from treehead.hierarchy.sources import name_path
from treehead.inputs import MOST_TEXT, check_regular, cut, printable, read_text, shown_path
from treehead.types import UserError

PATH, SPLIT = "path", "split"
"""The columns that are not levels."""
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
    levels = levels or tuple(column for column in columns if column not in (PATH, SPLIT))[::-1]
    for column in (PATH, *levels):
        if column not in columns:
            raise UserError(f"{file} has no column {column!r}; its columns are {_listed(columns)}")
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
    warnings = (f"ignored {duplicates:,} duplicate row{'s' if duplicates > 1 else ''}",) if duplicates else ()
    return Listing(file.stem, file, levels[-depth:], entries, warnings)


def _listed(names: Iterable[str]) -> str:
    return cut(printable(", ".join(names)))


def _entries(file: Path, columns: dict[str, list[str]], levels: Sequence[str]) -> list[ImageEntry]:
    """An entry per row. Raises: UserError: a row without path or label, an image with two labels or parts."""
    labels = list(zip(*(columns[level] for level in levels), strict=True))
    parts = columns.get(SPLIT, [""] * len(labels))
    entries: dict[Path, ImageEntry] = {}
    rows = []
    for number, (path, cells, part) in enumerate(zip(columns[PATH], labels, parts, strict=True), 1):
        row = f"{file}, row {number}"
        entry = ImageEntry(file.parent / path, name_path(cells, row), _part(part, row))
        if not path:
            raise UserError(f"{row} has no path")
        if not entry.label:
            raise UserError(f"{row}: {path} has no label, not even at the top level; add one or remove the row")
        if entries.setdefault(entry.path, entry) != entry:
            raise UserError(f"{row}: {path} has another label or split in an earlier row; remove one of the rows")
        rows.append(entry)
    return rows


def _part(cell: str, row: str) -> Part | None:
    if not cell:
        return None
    part = PART_NAMES.get(cell.lower())
    if part is None:
        raise UserError(f"{row}: {SPLIT} is {cell!r}; it must be train, validation or test")
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
    return {name: ["" if cell is None else str(cell).strip() for cell in cells] for name, cells in table.items()}
