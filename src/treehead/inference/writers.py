"""Tables of any length, written a batch at a time: CSV, JSON lines, Parquet."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from treehead.extras import require
from treehead.inference.prediction import Prediction
from treehead.inference.table import Column, Wanted, columns, objects
from treehead.types import UserError

Write: TypeAlias = Callable[[Sequence[Path], Prediction], None]
"""Adds some images to a table."""

GROUP_ROWS = 10_000
"""Rows of a Parquet row group: what is held before it is written."""


def writer_of(path: Path) -> Callable[[Path, Wanted], AbstractContextManager[Write]]:
    """How to write a file that is called like `path`; it is given the file to write to, and what is wanted.

    Raises: UserError: another suffix than .csv, .jsonl or .parquet; the extra `parquet` is missing.
    """
    if path.suffix not in WRITERS:
        raise UserError(f"--out {path}: predictions are written as {', '.join(WRITERS)}")
    if path.suffix == ".parquet":
        require("pyarrow")
    return WRITERS[path.suffix]


@contextmanager
def _csv(path: Path, wanted: Wanted) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)

        def write(images: Sequence[Path], prediction: Prediction) -> None:
            found = columns(images, prediction, wanted)
            if not file.tell():
                lines.writerow(found)
            lines.writerows(zip(*map(_texts, found.values()), strict=True))

        yield write


def _texts(values: Column) -> list[str | None]:
    if isinstance(values, np.ndarray):
        return ["" if value != value else f"{value:.6f}" for value in values.tolist()]  # NaN differs from itself
    return list(values)


@contextmanager
def _json_lines(path: Path, wanted: Wanted) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def write(images: Sequence[Path], prediction: Prediction) -> None:
            for said in objects(images, prediction, wanted):
                file.write(json.dumps(said, ensure_ascii=False, allow_nan=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path, wanted: Wanted) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    held: list[Any] = []
    writer: list[Any] = []

    def flush() -> None:
        if held:
            writer[0].write_table(pyarrow.Table.from_batches(held))
            held.clear()

    def write(images: Sequence[Path], prediction: Prediction) -> None:
        found = columns(images, prediction, wanted)
        kinds = [pyarrow.float32() if isinstance(values, np.ndarray) else pyarrow.string() for values in found.values()]
        arrays = [
            pyarrow.array(values, kind, from_pandas=True) for values, kind in zip(found.values(), kinds, strict=True)
        ]
        held.append(pyarrow.record_batch(arrays, names=list(found)))
        if not writer:
            writer.append(parquet.ParquetWriter(path, held[0].schema))
        if sum(len(batch) for batch in held) >= GROUP_ROWS:
            flush()

    try:
        yield write
        flush()
    finally:
        for opened in writer:
            opened.close()


WRITERS = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
