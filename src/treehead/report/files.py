"""Write a report's files: the figures, then the page."""

from collections.abc import Mapping
from pathlib import Path

from treehead.inputs import check_file_name
from treehead.runfiles import RunFolder, StudyFolder, write_text, written_whole
from treehead.types import RunError


def save_report(folder: RunFolder | StudyFolder, figures: Mapping[str, bytes], page: str) -> Path:
    """Write `figures` (PNG files by name) and then `page`, each whole or not at all; returns the page's path.

    Raises: RunError: a file could not be written.
    """
    try:
        for name, data in figures.items():
            with written_whole(folder.figures / f"{check_file_name(name, 'the figure')}.png") as temporary:
                temporary.write_bytes(data)
        write_text(folder.report, page)
    except OSError as error:
        raise RunError(f"cannot write the report in {folder.root}: {error.strerror or error}") from None
    return folder.report
