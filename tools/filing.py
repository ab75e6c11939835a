"""What the publishing scripts share: make room, copy a run's files, and write a part of a page anew."""

import shutil
from pathlib import Path

from treehead.types import UserError

RUN_FILES = ("config.toml", "environment.json", "tree.json", "network.json", "history.jsonl", "metrics.json")
"""What a published run is told by: no weights, no predictions, no images."""


def copied(run: Path, folder: Path, files: tuple[str, ...] = RUN_FILES) -> Path:
    """The folder, with these files of the run; a run that lies there already stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    if run.resolve() != folder.resolve():
        for file in files:
            shutil.copyfile(run / file, folder / file)
    return folder


def emptied(folder: Path, source: Path) -> Path:
    """The folder, without what was published there before.

    Raises: UserError: it is the `source` itself, which would be lost.
    """
    if folder.resolve() == source.resolve():
        raise UserError(f"{source} is published already; treehead report {source} draws it again")
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def rewritten(page: str, part: str, text: str) -> str:
    """The page with what stands between the part's markers replaced; as it is, where it has no such part."""
    begin, end = markers(part)
    if begin not in page or end not in page:
        return page
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def markers(part: str) -> tuple[str, str]:
    """The comments that a part of a page stands between."""
    return f"<!-- {part}:begin -->", f"<!-- {part}:end -->"
