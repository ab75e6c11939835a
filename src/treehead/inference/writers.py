"""Write predictions a batch at a time: to a CSV, JSON Lines or Parquet file, or to standard output."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from treehead.extras import require
from treehead.inference.output import Column, PredictOptions, columns, objects, text_lines
from treehead.inference.prediction import Prediction
from treehead.inputs import json_line, printable
from treehead.runfiles import written_whole
from treehead.types import UserError

WriteBatch: TypeAlias = Callable[[Sequence[Path], Prediction], None]
"""Writes the predictions for some images."""
Writer: TypeAlias = Callable[[Path, PredictOptions], AbstractContextManager[WriteBatch]]
"""Opens a file of one format."""

GROUP_ROWS = 10_000
"""Rows per Parquet row group: that many are held in memory before they are written."""


@contextmanager
def file_writer(path: Path, options: PredictOptions, *, replace: bool, raw: bool = False) -> Iterator[WriteBatch]:
    """Write predictions to a file in the format of its suffix; it appears when it is complete, or not at all.

    Conventions: in CSV, a name that a spreadsheet would compute is preceded by an apostrophe, unless `raw`.

    Raises: UserError: the file exists and `replace` is false, its suffix is unknown, or the extra `parquet` is missing.
    """
    if path.suffix not in WRITERS:
        raise UserError(f"--out {path}: the suffix must be one of {', '.join(WRITERS)}")
    if path.suffix == ".parquet":
        require("pyarrow")
    if path.exists() and not replace:
        raise UserError(f"{path} already exists; --force overwrites it, --out names another file")
    writer = partial(_csv, raw=raw) if path.suffix == ".csv" else WRITERS[path.suffix]
    with written_whole(path) as temporary, writer(temporary, options) as write:
        yield write


@contextmanager
def stdout_writer(options: PredictOptions, *, as_json: bool, raw: bool = False) -> Iterator[WriteBatch]:
    """Print predictions as text or, with `as_json`, as JSON Lines; invisible characters are escaped unless `raw`.

    Raises: UserError: `options.nodes` without `as_json`.
    """
    if options.nodes and not as_json:
        raise UserError("--nodes needs --json or --out, since text lists only the answers")

    def write(images: Sequence[Path], prediction: Prediction) -> None:
        if as_json:
            dumped = json.dumps if raw else json_line
            lines = (dumped(entry) for entry in objects(images, prediction, options))
        else:
            lines = text_lines(images, prediction, options)
        for line in lines:
            print(line if raw or as_json else printable(line))

    yield write


@contextmanager
def _csv(path: Path, options: PredictOptions, *, raw: bool = False) -> Iterator[WriteBatch]:
    cell = str if raw else harmless
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)

        def write(images: Sequence[Path], prediction: Prediction) -> None:
            batch = columns(images, prediction, options)
            if not file.tell():
                rows.writerow(map(cell, batch))
            rows.writerows(zip(*(_cells(values, cell) for values in batch.values()), strict=True))

        yield write


def _cells(values: Column, cell: Callable[[str], str]) -> list[str | None]:
    if isinstance(values, np.ndarray):
        return ["" if value != value else f"{value:.6f}" for value in values.tolist()]  # NaN != NaN
    return [value and cell(value) for value in values]


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that a spreadsheet computes; the last four are full-width signs."""


def harmless(cell: str) -> str:
    """A cell that a spreadsheet shows as text, whatever it begins with."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


@contextmanager
def _json_lines(path: Path, options: PredictOptions) -> Iterator[WriteBatch]:
    with path.open("w", encoding="utf-8") as file:

        def write(images: Sequence[Path], prediction: Prediction) -> None:
            for entry in objects(images, prediction, options):
                file.write(json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path, options: PredictOptions) -> Iterator[WriteBatch]:
    groups = _RowGroups(path)
    try:
        yield lambda images, prediction: groups.add(columns(images, prediction, options))
        groups.flush()
    finally:
        groups.close()


class _RowGroups:
    """A Parquet file that collects batches of columns into row groups; the first batch decides the schema."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batches: list[Any] = []
        self._file: Any = None

    def add(self, batch: dict[str, Column]) -> None:
        import pyarrow

        kinds = [pyarrow.float32() if isinstance(values, np.ndarray) else pyarrow.string() for values in batch.values()]
        arrays = [
            pyarrow.array(values, kind, from_pandas=True) for values, kind in zip(batch.values(), kinds, strict=True)
        ]
        self._batches.append(pyarrow.record_batch(arrays, names=list(batch)))
        if sum(map(len, self._batches)) >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the collected batches as one row group."""
        import pyarrow
        from pyarrow import parquet

        if not self._batches:
            return
        if self._file is None:
            self._file = parquet.ParquetWriter(self._path, self._batches[0].schema)
        self._file.write_table(pyarrow.Table.from_batches(self._batches))
        self._batches.clear()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


WRITERS: dict[str, Writer] = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
