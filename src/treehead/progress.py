"""What a person sees while they wait: a live display in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from treehead.data.fetch import Report
from treehead.metrics.paired import Comparison
from treehead.training.loop import Callback
from treehead.training.loop import Progress as Step

UPDATES_PER_SECOND = 4
SURE = 0.8
"""The confidence at which the back-off is told in one line."""


class PlainCallback:
    """A line per epoch, for logs and pipes."""

    def on_progress(self, progress: Step) -> None:
        self._last = progress

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        step = self._last
        heads = "  ".join(
            f"{level} {record['train']['losses'][level]:z.3f}/{record['validation']['losses'][level]:z.3f}"
            f" {100 * record['train']['accuracy'][level]:.1f}/{100 * record['validation']['accuracy'][level]:.1f} %"
            for level in record["train"]["losses"]
        )
        print(
            f"epoch {record['epoch']}/{step.num_epochs}  {heads}  "
            f"{record['images_per_second']:.0f} images/s  {duration(step.seconds_left)} left",
            flush=True,
        )


class LiveCallback:
    """A table of the last epochs, and a line that moves."""

    def __init__(self, live: Live, title: str) -> None:
        self._live, self._title = live, title
        self._records: list[dict[str, Any]] = []

    def on_progress(self, progress: Step) -> None:
        self._live.update(Group(self._table(), self._line(progress)))

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self._records.append(record)
        self._live.update(self._table())

    def _table(self) -> Table:
        table = Table("epoch", title=self._title, title_justify="left", box=None, header_style="dim")
        for level in self._records[-1]["train"]["losses"] if self._records else ():
            table.add_column(f"{level} loss", justify="right")
            table.add_column("accuracy", justify="right")
        for record in self._records[-8:]:
            train, validation = record["train"], record["validation"]
            cells = [
                (
                    f"{train['losses'][level]:z.3f} / {validation['losses'][level]:z.3f}",
                    f"{100 * train['accuracy'][level]:.1f} / {100 * validation['accuracy'][level]:.1f} %",
                )
                for level in train["losses"]
            ]
            table.add_row(str(record["epoch"]), *(cell for pair in cells for cell in pair))
        if self._records:
            table.caption, table.caption_justify = "training / validation", "left"
        return table

    def _line(self, step: Step) -> str:
        losses = " ".join(f"{loss:z.3f}" for loss in step.losses)
        accuracy = " ".join(f"{100 * share:.1f}" for share in step.accuracy)
        return (
            f"epoch {step.epoch}/{step.num_epochs}  step {step.step}/{step.num_steps}  loss {losses}  "
            f"accuracy {accuracy} %  {step.images_per_second:.0f} images/s  {duration(step.seconds_left)} left"
        )


@contextmanager
def watching(title: str) -> Iterator[Callback]:
    """A callback for one training: live in a terminal, plain lines elsewhere."""
    console = Console()
    if not console.is_terminal:
        yield PlainCallback()
        return
    with Live(console=console, refresh_per_second=UPDATES_PER_SECOND) as live:
        yield LiveCallback(live, title)


@contextmanager
def fetching() -> Iterator[Report]:
    """A bar for a download; it shows itself at the first bytes."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not sys.stderr.isatty(), refresh_per_second=4
    ) as bar:
        task = bar.add_task("CIFAR-100", visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


@contextmanager
def counting(what: str, *, visible: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error for work that is counted: how many, how fast, how long still."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")
    shown = visible and sys.stderr.isatty()
    started = time.monotonic()
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not shown, refresh_per_second=4
    ) as bar:
        task = bar.add_task(what, rate="", total=None)

        def report(done: int, total: int) -> None:
            rate = f"{done / max(time.monotonic() - started, 1e-9):,.0f}/s"
            bar.update(task, completed=done, total=total, rate=rate)

        yield report


@contextmanager
def decoding() -> Iterator[Report]:
    """A bar for images that are decoded; it shows itself at the first one."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), refresh_per_second=4) as bar:
        task = bar.add_task("images", visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def duration(seconds: float) -> str:
    """1h05m, 4m20s or 9s."""
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{whole:02d}s" if minutes else f"{whole}s"


def network_table(network: dict[str, Any]) -> Table:
    """Every layer of a network, with its totals."""
    table = Table("layer", "kind", "output", box=None)
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    for row in network["layers"]:
        shape = " x ".join(map(str, row["output"]))
        counts = (f"{row[key]:,}" if row[key] else "" for key in ("parameters", "multiply_adds"))
        table.add_row(row["name"], row["kind"], shape, *counts)
    table.add_section()
    table.add_row("total", "", "", f"{network['parameters']:,}", f"{network['multiply_adds']:,}")
    return table


def key_table(rows: Iterable[tuple[str, str, str]]) -> Table:
    """Config keys with their value and meaning."""
    table = Table("key", "value", "meaning", box=None, padding=(0, 2, 0, 0))
    for key, value, meaning in rows:
        table.add_row(Text(key, "bold"), Text(value), Text(meaning, "dim"))
    return table


def metric_lines(metrics: dict[str, Any]) -> Iterator[str]:
    """The main figures of a finished run, a line each."""
    yield f"{metrics['images']:,} test images, tree {metrics['tree']}, decode {metrics['decode']}"
    for level in metrics["levels"]:
        known = metrics.get("known", {}).get(level, metrics["images"])
        yield (
            f"  {level:<12} accuracy {100 * metrics['accuracy'][level]:6.2f} %   "
            f"top-5 {100 * metrics['top5'][level]:6.2f} %   loss {metrics['loss'][level]:z.3f}   "
            f"calibration error {100 * metrics['calibration_error'][level]:.1f} %"
            f"{f'   of {known:,} images known there' if known < metrics['images'] else ''}"
        )
    counts = "  ".join(f"{height}: {count:,}" for height, count in enumerate(metrics["severity_counts"]))
    yield f"  severity     {counts}   mean over mistakes {_or_dash(metrics['mistake_severity'])}"
    hd = "  ".join(f"HD@{k} {value:.3f}" for k, value in metrics["hd"].items())
    yield f"  {hd}   FPA {100 * metrics['full_path_accuracy']:.2f} %   TICE {100 * metrics['tree_inconsistency']:.2f} %"
    if "hierarchical" in metrics:
        shares = "   ".join(f"{name} {100 * share:.2f} %" for name, share in metrics["hierarchical"].items())
        yield f"  hierarchical {shares}"
    if "haf5" in metrics:
        hd = "  ".join(f"HD@{k} {value:.3f}" for k, value in metrics["haf5"]["hd"].items())
        yield f"  on tree haf5 {hd}   mean over mistakes {_or_dash(metrics['haf5']['mistake_severity'])}"
    if "calibration" in metrics:
        yield _calibration_line(metrics["calibration"])
    if "back_off" in metrics:
        yield _back_off_line(metrics["back_off"], SURE)
    if metrics.get("alarm"):
        yield f"ALARM: {metrics['alarm']}"


def _calibration_line(calibration: dict[str, Any]) -> str:
    if calibration["reason"]:
        return f"  temperature  1: not fitted, the run has {calibration['reason']}"
    fitted = "   ".join(
        f"{level} {temperature:.2f} (loss {calibration['before']['loss'][level]:z.3f} -> "
        f"{calibration['after']['loss'][level]:z.3f})"
        for level, temperature in calibration["temperature"].items()
    )
    return f"  temperature  {fitted}"


def _back_off_line(back_off: dict[str, Any], threshold: float) -> str:
    at = back_off["threshold"].index(threshold)
    answered = "   ".join(f"{level} {100 * shares[at]:.1f} %" for level, shares in back_off["answered"].items())
    risk = back_off["risk"][at]
    wrong = "" if risk is None else f"; {100 * risk:.1f} % of the answers wrong"
    return f"  at {100 * threshold:.0f} % sure   {answered}   none {100 * (1 - back_off['coverage'][at]):.1f} %{wrong}"


def comparison_lines(comparison: Comparison, first: str, second: str) -> Iterator[str]:
    """Every metric of two runs with its difference and interval, then the tests of accuracy."""
    yield f"{comparison.images:,} test images, {first} -> {second}, difference with its 95 % interval over the images"
    for level, known in comparison.known.items():
        if known < comparison.images:
            yield f"  {level} over the {known:,} that are known there"
    for row in comparison.differences:
        said = "inside the noise" if row.is_noise else ""
        yield (
            f"  {row.metric:<28} {row.first:8.4f} -> {row.second:7.4f}   {row.difference:+8.4f}   "
            f"{row.low:+8.4f} to {row.high:+8.4f}   {said}"
        ).rstrip()
    for level, test in comparison.mcnemar.items():
        yield (
            f"  McNemar, {level}: {test.only_first:,} images right only before, {test.only_second:,} only after, "
            f"p = {test.p:.3g}"
        )


def decoder_lines(metrics: dict[str, Any]) -> Iterator[str]:
    """Every decoder of a finished run, a line each: what another decode would have answered, without training again."""
    levels, decoders = metrics["levels"], metrics["decoders"]
    width = max(len(kind) for kind in decoders) + 2
    counts = {kind: "  ".join(f"{n:6,}" for n in row["severity_counts"]) for kind, row in decoders.items()}
    severities = "  ".join(f"{f'sev {height}':>6}" for height in range(len(levels) + 1))
    heads = "".join(f"{level:>{max(len(level), 7) + 2}}" for level in levels)
    ranks = next(iter(decoders.values()))["hd"]
    hds = "".join(f"{f'HD@{k}':>8}" for k in ranks)
    yield f"{'decode':<{width}}{heads}  {severities}{'MS':>8}{hds}{'FPA':>9}{'TICE':>9}"
    for kind, row in decoders.items():
        shares = "".join(f"{100 * row['accuracy'][level]:>{max(len(level), 7) + 2}.2f}" for level in levels)
        hd = "".join(f"{row['hd'][k]:>8.3f}" for k in ranks)
        fpa, tice = 100 * row["full_path_accuracy"], 100 * row["tree_inconsistency"]
        yield (
            f"{kind:<{width}}{shares}  {counts[kind]}{_or_dash(row['mistake_severity']):>8}{hd}{fpa:>9.2f}{tice:>9.2f}"
        )
    yield "accuracies, FPA and TICE in percent; sev: images by severity; MS: mean severity of the mistakes"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
