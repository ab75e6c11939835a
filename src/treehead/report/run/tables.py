"""The rows of a run report's tables, as text and numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from treehead.records.run import Environment, Metrics, SeverityFigures
from treehead.report import wording
from treehead.report.level_view import level_view, row_shares
from treehead.report.page import image_uri
from treehead.report.run.read import RunRecord
from treehead.types import Array


@dataclass(frozen=True, slots=True)
class Row:
    """One metric: its name, a definition in one line, and its values as text."""

    name: str
    meaning: str
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecoderRow:
    """One decoder's figures as text; `chosen` marks the decoder of the run."""

    kind: str
    chosen: bool
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Severity:
    """One severity: its number of images, and its fractions of all images, of the mistakes and of random mistakes."""

    height: int
    meaning: str
    count: int
    of_all: float
    share: float | None
    chance: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    """A pair of leaves, `predicted` answered for `true`: how often, how severe. `images` are data URIs."""

    true: str
    predicted: str
    count: int
    share: float
    severity: int
    meaning: str
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassRecall:
    """One leaf's recall, its number of test images, and the wrong leaf it is most often classified as."""

    name: str
    share: float
    images: int
    rival: str | None


def level_rows(record: RunRecord) -> list[Row]:
    """The metrics of every level."""
    metrics, levels = record.metrics, record.levels
    if metrics is None:
        return []

    def row(name: str, meaning: str, values: Sequence[float | None], *, percent: bool = True) -> Row:
        text = [wording.percent(value, 2) if percent else wording.decimal(value) for value in values]
        return Row(name, meaning, tuple(text))

    accuracy, top5 = metrics["accuracy"], metrics["top5"]
    return [
        row("Accuracy", "Fraction of images answered right.", [accuracy[level] for level in levels]),
        row(
            "Mean recall",
            "Recall is the fraction of a class's images answered right; its mean over the classes.",
            [_mean_recall(metrics["recall"][level]) for level in levels],
        ),
        row(
            "Top-5 accuracy",
            "Fraction of images whose true class is among the five most probable.",
            [top5[level] for level in levels],
        ),
        row(
            "Loss",
            "Mean cross-entropy of the true class, in nats; lower is better.",
            [metrics["loss"][level] for level in levels],
            percent=False,
        ),
        row(
            "Expected calibration error",
            "Mean distance of confidence from accuracy over 15 bins of equal width; lower is better.",
            [metrics["calibration_error"][level] for level in levels],
        ),
    ]


def _mean_recall(recalls: Sequence[float | None]) -> float | None:
    known = [recall for recall in recalls if recall is not None]
    return sum(known) / len(known) if known else None


def tree_rows(record: RunRecord) -> list[Row]:
    """The hierarchical metrics; mistake severity is always shown with the accuracy."""
    metrics = record.metrics
    if metrics is None:
        return []
    overlap = metrics["hierarchical"]
    shares = (overlap["precision"], overlap["recall"], overlap["f1"])
    rows = [
        *_severity_rows(
            metrics, f"{wording.percent(metrics['accuracy'][record.levels[0]])} {record.levels[0]} accuracy"
        ),
        Row(
            "Full-path accuracy",
            "Fraction of images answered right at every level.",
            (wording.percent(metrics["full_path_accuracy"], 2),),
        ),
        Row(
            "Tree inconsistency",
            "Fraction of images whose answers at two levels contradict the tree.",
            (wording.percent(metrics["tree_inconsistency"], 2),),
        ),
        Row(
            "Hierarchical precision / recall / F1",
            "Overlap of the answered classes, with their ancestors, and the classes on the true path.",
            (" / ".join(wording.percent(share, 2) for share in shares),),
        ),
    ]
    return [*rows, *_literature_rows(metrics)]


def _severity_rows(metrics: Metrics, accuracy: str) -> list[Row]:
    return [
        Row(
            "Mean mistake severity",
            "Mean severity of the wrong answers. Compare it at equal accuracy only.",
            (f"{wording.decimal(metrics['mistake_severity'])} at {accuracy}",),
        ),
        Row(
            _hd_name(metrics),
            "Hierarchical distance at k: mean severity of the k best-ranked leaves, over all images.",
            (_hd_values(metrics),),
        ),
    ]


def _literature_rows(metrics: Metrics) -> list[Row]:
    """The severities on the tree haf5, where the run has CIFAR-100's leaves."""
    if "haf5" not in metrics:
        return []
    haf5 = metrics["haf5"]
    meaning = "The same answers, measured on the five-level tree of published results (100, 20, 8, 4, 2 classes)."
    return [
        Row("Mean mistake severity on tree haf5", meaning, (wording.decimal(haf5["mistake_severity"]),)),
        Row(f"{_hd_name(haf5)} on tree haf5", "On the same five-level tree.", (_hd_values(haf5),)),
    ]


def _hd_name(figures: SeverityFigures | Metrics) -> str:
    return " / ".join(f"HD@{k}" for k in figures["hd"])


def _hd_values(figures: SeverityFigures | Metrics) -> str:
    return " / ".join(wording.decimal(value) for value in figures["hd"].values())


def calibration_rows(record: RunRecord) -> list[Row]:
    """Loss and calibration error of every head alone and of the posterior, and the heads' weights."""
    if record.metrics is None or not record.metrics["calibration"]["weights"]:
        return []
    calibration, levels = record.metrics["calibration"], record.levels
    before, after = calibration["before"], calibration["after"]

    def row(name: str, meaning: str, values: dict[str, float], show: Callable[[float], str]) -> Row:
        return Row(name, meaning, tuple(show(values[level]) for level in levels))

    error = "Expected calibration error"
    return [
        row("Weight", "How much the head of this level counts in the posterior.", calibration["weights"], _two_digits),
        row("Loss", "Of the head of this level alone.", before["loss"], wording.decimal),
        row("Loss, posterior", "Of the sums of the posterior's leaves.", after["loss"], wording.decimal),
        row(error, "Of the head of this level alone.", before["calibration_error"], wording.percent),
        row(
            f"{error}, posterior", "Of the sums of the posterior's leaves.", after["calibration_error"], wording.percent
        ),
    ]


def _two_digits(value: float) -> str:
    return wording.decimal(value, 2)


def bound_rows(record: RunRecord) -> list[Row]:
    """Back-off with a bounded error: asked, realised with its interval, threshold, and the answered levels."""
    if record.metrics is None:
        return []
    rows = []
    for bound in record.metrics["guarantees"]["risk_control"]:
        answered = [wording.percent(bound["answered"][level]) for level in record.levels]
        unanswered = wording.percent(1 - sum(bound["answered"].values()))
        realised = (wording.percent(bound["error"], 2), _interval(bound["low"], bound["high"]))
        figures = (*realised, wording.percent(bound["threshold"]), *answered, unanswered)
        rows.append(Row(f"at most {100 * bound['max_error']:g} %", "", figures))
    return rows


def set_rows(record: RunRecord) -> list[Row]:
    """Prediction sets: asked, realised with its interval, and their size."""
    if record.metrics is None:
        return []
    return [
        Row(
            f"at least {100 * sets['asked']:g} %",
            "",
            (
                wording.percent(sets["coverage"], 2),
                _interval(sets["low"], sets["high"]),
                wording.decimal(sets["nodes"], 2),
                wording.decimal(sets["leaves"], 2),
            ),
        )
        for sets in record.metrics["guarantees"]["sets"]
    ]


def _interval(low: float, high: float) -> str:
    return f"{wording.percent(low, 2)} to {wording.percent(high, 2)}"


def decoder_heads(record: RunRecord) -> list[str]:
    """The column heads of `decoder_rows`."""
    ranks = record.metrics["hd"] if record.metrics else ()
    heights = (f"severity {height}" for height in range(1, len(record.levels) + 1))
    return [*record.levels, *heights, "MS", *(f"HD@{k}" for k in ranks), "FPA", "TICE"]


def decoder_rows(record: RunRecord) -> list[DecoderRow]:
    """Every decoder on the run's probabilities."""
    metrics = record.metrics
    if metrics is None:
        return []
    rows = []
    for kind, row in metrics["decoders"].items():
        figures = (
            *(wording.percent(row["accuracy"][level], 2) for level in record.levels),
            *(wording.count(number) for number in row["severity_counts"][1:]),
            wording.decimal(row["mistake_severity"]),
            *(wording.decimal(row["hd"][k]) for k in metrics["hd"]),
            wording.percent(row["full_path_accuracy"], 2),
            wording.percent(row["tree_inconsistency"], 2),
        )
        rows.append(DecoderRow(kind, kind == metrics["decode"], figures))
    return rows


def severities(record: RunRecord) -> list[Severity]:
    """A row for each severity, 0 to L; 0 is not a mistake and has no fraction of them."""
    if record.metrics is None:
        return []
    counts = record.metrics["severity_counts"]
    share, chance = record.metrics["severity_share"], record.metrics["severity_chance"]
    return [
        Severity(
            height=height,
            meaning=wording.severity(height, record.levels),
            count=number,
            of_all=number / max(1, sum(counts)),
            share=share[height - 1] if share and height else None,
            chance=chance[height - 1] if height else None,
        )
        for height, number in enumerate(counts)
    ]


def frequent_confusions(record: RunRecord, number: int = 12, images: int = 4) -> list[Confusion]:
    """The `number` most frequent confusions of leaves, each with up to `images` sample images."""
    return _confusions(record, lambda counts, severity: counts, number, images)


def costliest_confusions(record: RunRecord, number: int = 12, images: int = 4) -> list[Confusion]:
    """The confusions of leaves with the largest product of number and severity; of equal ones the more severe first."""
    return _confusions(record, lambda counts, severity: counts * severity + severity / 1e3, number, images)


def _confusions(record: RunRecord, cost: Callable[[Array, Array], Array], number: int, images: int) -> list[Confusion]:
    counts = record.confusion(record.levels[0])
    if counts is None:
        return []
    view, shares = level_view(record.tree, record.levels[0]), row_shares(counts)
    np.fill_diagonal(counts, 0)
    costs = np.where(counts > 0, cost(counts, view.severity), 0)
    largest = np.argsort(-costs, axis=None, kind="stable")[:number]
    pairs = np.stack(np.unravel_index(largest, counts.shape), axis=1).tolist()
    return [
        Confusion(
            true=wording.readable(view.names[true]),
            predicted=wording.readable(view.names[predicted]),
            count=int(counts[true, predicted]),
            share=float(shares[true, predicted]),
            severity=int(view.severity[true, predicted]),
            meaning=wording.severity(int(view.severity[true, predicted]), record.levels),
            images=_sample_images(record.samples, true, predicted, images),
        )
        for true, predicted in pairs
        if counts[true, predicted]
    ]


def _sample_images(samples: dict[str, Array] | None, true: int, predicted: int, number: int) -> tuple[str, ...]:
    if samples is None:
        return ()
    chosen = (samples["labels"][:, 0] == true) & (samples["answers"][:, 0] == predicted)
    return tuple(image_uri(pixels) for pixels in samples["pixels"][chosen][:number])


def class_recalls(record: RunRecord) -> list[ClassRecall]:
    """Every leaf that has test images, highest recall first."""
    counts = record.confusion(record.levels[0])
    if counts is None:
        return []
    names = record.tree.names[0]
    totals, right = counts.sum(axis=1), np.diag(counts).copy()
    np.fill_diagonal(counts, 0)
    rows = [
        ClassRecall(
            name=wording.readable(name),
            share=float(right[index] / totals[index]),
            images=int(totals[index]),
            rival=wording.readable(names[int(counts[index].argmax())]) if counts[index].any() else None,
        )
        for index, name in enumerate(names)
        if totals[index]
    ]
    return sorted(rows, key=lambda row: -row.share)


def extremes(rows: Sequence[ClassRecall], number: int = 10) -> tuple[list[ClassRecall], list[ClassRecall]]:
    """The best and the worst `number` classes, the worst first in the second list; no class is in both."""
    number = min(number, len(rows) // 2)
    return list(rows[:number]), list(rows[::-1][:number])


def work_text(environment: Environment) -> str:
    """The training arithmetic in words; nothing for a run that does not have it."""
    work = environment.get("work_pflop")
    return "" if work is None else f"{work:.3g} PFLOP"


def environment_rows(environment: Environment) -> list[tuple[str, str]]:
    """Machine, versions and times of a run as pairs of name and text; unknown values are left out."""
    machine, commit = environment["machine"], environment["commit"]
    rows = [
        ("processor", machine["processor"]),
        ("cores", machine["cores"]),
        ("memory", wording.size(machine["memory_bytes"])),
        ("accelerator", machine["accelerator"] or "none"),
        ("system", machine["system"]),
        ("engine", f"{environment['engine']}, {environment['device']}, {environment['precision']}"),
        ("treehead", f"{environment['treehead']}{f', commit {commit[:10]}' if commit else ''}"),
        *environment["versions"].items(),
        ("started", wording.moment(environment["started"])),
        ("finished", wording.moment(environment["finished"])),
        ("training work", work_text(environment)),
        ("training time", wording.duration(environment["seconds"])),
        ("peak memory", wording.size(environment["peak_memory_bytes"])),
    ]
    return [(name, str(value)) for name, value in rows if value not in (None, "", wording.NOTHING)]
