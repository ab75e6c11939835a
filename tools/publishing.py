"""What the publishing scripts share: light copies of runs, folders replaced as a whole, sections of pages, figures."""

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from treehead.report.drawing import png
from treehead.report.run.read import RunRecord, read_run
from treehead.runfiles import RunFolder, write_json, written_whole
from treehead.types import UserError

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "docs" / "results"
EVIDENCE = REPOSITORY / "docs" / "evidence.md"
"""The page whose sections the scripts write."""
RUN_FILES = ("config.toml", "environment.json", "tree.json", "network.json", "history.jsonl", "metrics.json")
"""The files of a published run: no weights, no predictions, no images. metrics.json has no confusion matrices."""
COLOURS = 256
"""Size of a published figure's palette."""


def finished_run(root: Path) -> RunRecord:
    """The run in `root`, with every file read and checked.

    Raises: UserError: it is not a run, it is not finished, or a file is missing or damaged.
    """
    record = read_run(root)
    if record.metrics is None:
        raise UserError(f"{root} is not finished; `treehead resume {root}` continues it")
    return record


def copy_run(run: Path, folder: Path, files: Sequence[str] = RUN_FILES) -> None:
    """Copy these files of a run; JSON is written compactly, metrics without confusion matrices.

    Raises: UserError: a file is missing or damaged.
    """
    source, target = RunFolder(run), RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if name == source.tree.name:
            write_json(target.tree, source.read_tree())
        elif name == source.metrics.name:
            metrics = source.read_json(source.metrics)
            write_json(target.metrics, {key: value for key, value in metrics.items() if key != "confusion"})
        elif name.endswith(".json"):
            write_json(folder / name, source.read_json(run / name))
        elif (run / name).is_file():
            shutil.copyfile(run / name, folder / name)
        else:
            raise UserError(f"{run} has no {name}; it is not a complete run folder")


def share_tree(folder: Path) -> None:
    """Keep the label tree once for the runs in `folder` that have the same one; `RunFolder.read_tree` finds it."""
    shared, own = folder / "tree.json", sorted(folder.glob("*/tree.json"))
    if own and not shared.exists():
        shutil.copyfile(own[0], shared)
    for path in own:
        if path.read_bytes() == shared.read_bytes():
            path.unlink()


@contextmanager
def replaced(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield an empty folder for every target. They take the targets' places at the end; on an error nothing changes."""
    with ExitStack() as stack:
        folders: list[Path] = []
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
            parent = stack.enter_context(tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}."))
            folders.append(Path(parent) / "new")
            folders[-1].mkdir()
        yield tuple(folders)
        for folder, target in zip(folders, targets, strict=True):
            if target.exists():
                target.rename(folder.parent / "old")  # deleted with the temporary folder
            folder.rename(target)


def refuse_published(source: Path, target: Path) -> None:
    """Raises: UserError: `source` is the published folder itself."""
    if source.resolve() == target.resolve():
        raise UserError(f"{source} is already published; `python tools/results.py --write` updates its pages")


def section_markers(name: str) -> tuple[str, str]:
    """The comments before and after a generated section of a page."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def with_section(page: str, name: str, text: str) -> str:
    """The page with this text between the section's markers; unchanged if it has no such section."""
    begin, end = section_markers(name)
    if begin not in page or end not in page:
        return page
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def without_section(page: str, name: str) -> str:
    """The page without the section's text."""
    return with_section(page, name, "")


def markdown_rows(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; the first row is the head."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return [lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]]


def percent(share: float, digits: int = 2) -> str:
    """A share in [0, 1]: 75.78 %."""
    return f"{100 * share:.{digits}f} %"


def severity_counts(metrics: Mapping[str, Any]) -> str:
    """The number of images of every severity: 7,578 / 937 / 573 / 912."""
    return " / ".join(f"{count:,}" for count in metrics["severity_counts"])


def cores_of(machine: Mapping[str, Any]) -> str:
    """The processor of a run: 2 cores of an AMD EPYC."""
    cores = "1 core" if machine["cores"] == 1 else f"{machine['cores']} cores"
    return f"{cores} of an {machine['processor']}"


def write_figure(path: Path, figure: Figure) -> None:
    """Write a small PNG that also stores the digest of what it shows."""
    information = PngInfo()
    information.add_text("Digest", digest(figure))
    image = Image.open(io.BytesIO(png(figure))).convert("RGB")
    image = image.quantize(COLOURS, dither=Image.Dither.NONE)
    with written_whole(path) as temporary:
        image.save(temporary, format="png", optimize=True, pnginfo=information)


def stored_digest(path: Path) -> str | None:
    """The digest that `write_figure` stored; None without a file or a digest."""
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return image.info.get("Digest")


def digest(figure: Figure) -> str:
    """A hash of the numbers and texts that the figure shows; independent of fonts and of matplotlib's rendering."""
    shown = [part for axes in figure.axes for artist in axes.get_children() for part in _shown(artist)]
    titles = [[axes.get_title("left"), axes.get_xlabel(), axes.get_ylabel(), *_ticks(axes)] for axes in figure.axes]
    return hashlib.sha256(json.dumps([titles, shown]).encode()).hexdigest()[:16]


def _ticks(axes: Axes) -> list[str]:
    """The texts at the ticks, where they are names and not numbers."""
    formatters = (axes.xaxis.get_major_formatter(), axes.yaxis.get_major_formatter())
    return [text for formatter in formatters if isinstance(formatter, FixedFormatter) for text in formatter.seq]


def _shown(artist: Artist) -> list[list[Any]]:
    if isinstance(artist, Line2D):
        return [["line", str(artist.get_label()), *(_rounded(values) for values in artist.get_data(orig=True))]]
    if isinstance(artist, AxesImage):
        values = artist.get_array()
        return [["image", _rounded(np.ma.filled(np.ma.asarray(values, float), -1.0))]]
    if isinstance(artist, Rectangle):
        return [["bar", _rounded([*artist.get_xy(), artist.get_width(), artist.get_height()])]]
    if isinstance(artist, PathCollection):
        return [["points", _rounded(np.ma.filled(artist.get_offsets(), -1.0))]]
    if isinstance(artist, Text) and artist.get_text():
        return [["text", artist.get_text()]]
    return []


def _rounded(values: Any) -> list[str]:
    """As text with five significant digits, so that the last bit of a sum changes nothing."""
    return [f"{value:.5g}" for value in np.asarray(values, float).ravel()]
