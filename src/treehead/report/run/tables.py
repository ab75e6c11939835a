"""The rows of the report's tables, computed from a run's record."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from treehead.records.run import Environment
from treehead.report import wording
from treehead.report.run.read import RunRecord
from treehead.report.run.view import level_view, row_shares
from treehead.types import Array

PER_LEVEL = (
    ("accuracy", "Accuracy", "Share of images whose answer at this level is right."),
    ("top5", "Top-5", "Share of images whose true class is among the five best scored."),
    ("loss", "Loss", "Mean cross-entropy of the true class, in nats; lower is better."),
    ("calibration_error", "Calibration error", "How far stated confidence lies from accuracy; lower is better."),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a metrics table: what it is called, what it means, and its figures as text."""

    name: str
    meaning: str
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecoderRow:
    """One decoder beside the others: its figures as text; `chosen` is the one the run is reported with."""

    kind: str
    chosen: bool
    figures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confusion:
    """A mistake at the leaves, with how often it was made. `images` are PNG data URIs, scaled up by the page."""

    true: str
    predicted: str
    count: int
    share: float
    severity: int
    words: str
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """How often one leaf is recognised (its recall), of how many images, and what it is most often taken for."""

    name: str
    share: float
    images: int
    rival: str | None


@dataclass(frozen=True, slots=True)
class Severity:
    """One height of mistake: how many, and its share of the mistakes beside chance's, all in [0, 1]."""

    height: int
    words: str
    count: int
    of_all: float
    share: float | None
    chance: float | None


def level_rows(record: RunRecord) -> list[Row]:
    """Accuracy, top-5, loss and calibration error, a figure per level; a dash where there is none."""
    metrics = record.metrics or {}
    rows = []
    for key, name, meaning in PER_LEVEL:
        values = [metrics.get(key, {}).get(level) for level in record.levels]
        texts = [wording.decimal(v) if key == "loss" else wording.percent(v, 2) for v in values]
        if any(value is not None for value in values):
            rows.append(Row(name, meaning, tuple(texts)))
    if "recall" in metrics:
        means = [_mean_recall(metrics["recall"][level]) for level in record.levels]
        meaning = (
            "Mean over the classes of the share of a class's images that is answered right; all classes count alike."
        )
        rows.insert(1, Row("Mean recall", meaning, tuple(wording.percent(mean, 2) for mean in means)))
    return rows


def _mean_recall(recalls: Sequence[float | None]) -> float | None:
    there = [recall for recall in recalls if recall is not None]
    return sum(there) / len(there) if there else None


def tree_rows(record: RunRecord) -> list[Row]:
    """The hierarchical metrics. Mistake severity never stands without the accuracy it is to be read with."""
    metrics = record.metrics or {}
    leaves = record.levels[0]
    beside = f"at {wording.percent(metrics['accuracy'][leaves])} {leaves} accuracy"
    severity = wording.decimal(metrics.get("mistake_severity"))
    rows = [
        Row(
            "Mistake severity",
            "Mean severity over the mistakes alone. A worse classifier can score better here, so read both.",
            (f"{severity} {beside}",),
        )
    ]
    for k, value in metrics.get("hd", {}).items():
        what = "answer given" if str(k) == "1" else f"{k} best scored leaves, averaged"
        rows.append(Row(f"HD@{k}", f"Mean severity over all images, of the {what}.", (wording.decimal(value),)))
    for key, name, meaning in (
        ("full_path_accuracy", "Full-path accuracy", "Share of images right at every level at once."),
        ("tree_inconsistency", "Tree inconsistency", "Share of images whose answers contradict the tree."),
    ):
        if metrics.get(key) is not None:
            rows.append(Row(name, meaning, (wording.percent(metrics[key], 2),)))
    if "hierarchical" in metrics:
        meaning = (
            "Of the classes answered and implied at all levels, how many are right; of the true ones, how many found."
        )
        told = " / ".join(wording.percent(metrics["hierarchical"][key], 2) for key in ("precision", "recall", "f1"))
        rows.append(Row("Hierarchical precision / recall / F1", meaning, (told,)))
    if "haf5" in metrics:
        found = metrics["haf5"]
        told = [f"mistake severity {wording.decimal(found['mistake_severity'])}"]
        told += [f"HD@{k} {wording.decimal(value)}" for k, value in found["hd"].items()]
        meaning = "The same answers on the five-level tree (100, 20, 8, 4, 2 classes) that published figures are of."
        rows.append(Row("On the tree haf5", meaning, (", ".join(told),)))
    return rows


def decoder_heads(record: RunRecord) -> list[str]:
    """What `decoder_rows` tells, in its order."""
    ranks = (record.metrics or {}).get("hd", {})
    heights = (f"severity {height}" for height in range(1, len(record.levels) + 1))
    return [*record.levels, *heights, "MS", *(f"HD@{k}" for k in ranks), "FPA", "TICE"]


def decoder_rows(record: RunRecord) -> list[DecoderRow]:
    """Every decoder on the same probabilities; none for a run measured before there was such a table."""
    metrics = record.metrics or {}
    rows = []
    for kind, row in metrics.get("decoders", {}).items():
        figures = (
            *(wording.percent(row["accuracy"][level], 2) for level in record.levels),
            *(wording.count(number) for number in row["severity_counts"][1:]),
            wording.decimal(row["mistake_severity"]),
            *(wording.decimal(row["hd"][k]) for k in metrics.get("hd", {})),
            wording.percent(row["full_path_accuracy"], 2),
            wording.percent(row["tree_inconsistency"], 2),
        )
        rows.append(DecoderRow(kind, kind == metrics["decode"], figures))
    return rows


def severities(record: RunRecord) -> list[Severity]:
    """A row per severity 0..L; the shares are of the mistakes, so severity 0 has none."""
    metrics = record.metrics or {}
    counts = metrics["severity_counts"]
    share, chance = metrics.get("severity_share"), metrics.get("severity_chance")
    return [
        Severity(
            height=height,
            words=wording.severity(height, record.levels),
            count=number,
            of_all=number / max(1, sum(counts)),
            share=share[height - 1] if share and height else None,
            chance=chance[height - 1] if chance and height else None,
        )
        for height, number in enumerate(counts)
    ]


def frequent_confusions(record: RunRecord, number: int = 12, images: int = 4) -> list[Confusion]:
    """The `number` most frequent mistakes at the leaves, with up to `images` of the images they befell."""
    return _confusions(record, lambda counts, severity: counts, number, images)


def costliest_confusions(record: RunRecord, number: int = 12, images: int = 4) -> list[Confusion]:
    """The mistakes at the leaves that cost most, number times severity; of equal ones the more severe first."""
    return _confusions(record, lambda counts, severity: counts * severity + severity / 1e3, number, images)


def _confusions(record: RunRecord, cost: Callable[[Array, Array], Array], number: int, images: int) -> list[Confusion]:
    counts = record.confusion(record.levels[0])
    if counts is None:
        return []
    view = level_view(record.tree, record.levels[0])
    shares = row_shares(counts)
    np.fill_diagonal(counts, 0)
    costs = np.where(counts > 0, cost(counts, view.severity), 0)
    found = []
    for flat in np.argsort(-costs, axis=None, kind="stable")[:number]:
        true, predicted = (int(index) for index in np.unravel_index(flat, counts.shape))
        if counts[true, predicted] == 0:
            break
        severity = int(view.severity[true, predicted])
        found.append(
            Confusion(
                true=wording.readable(view.names[true]),
                predicted=wording.readable(view.names[predicted]),
                count=int(counts[true, predicted]),
                share=float(shares[true, predicted]),
                severity=severity,
                words=wording.severity(severity, record.levels),
                images=_misread(record.samples, true, predicted, images),
            )
        )
    return found


def _misread(samples: dict[str, Array] | None, true: int, predicted: int, number: int) -> tuple[str, ...]:
    if samples is None:
        return ()
    chosen = (samples["labels"][:, 0] == true) & (samples["answers"][:, 0] == predicted)
    return tuple(image_uri(pixels) for pixels in samples["pixels"][chosen][:number])


def image_uri(pixels: Array) -> str:
    """A PNG data URI. Shapes: pixels: (C, H, W) uint8, C being 1 (grey) or 3 (RGB); else the first plane."""
    planes = np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels[0]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(planes)).save(file, format="png")
    return png_uri(file.getvalue())


def png_uri(png: bytes) -> str:
    """The bytes of a PNG file as a URI that a page carries in itself."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def class_accuracies(record: RunRecord) -> list[ClassAccuracy]:
    """Every leaf that has test images, best recognised first."""
    counts = record.confusion(record.levels[0])
    if counts is None:
        return []
    view = level_view(record.tree, record.levels[0])
    totals, right = counts.sum(axis=1), np.diag(counts).copy()
    np.fill_diagonal(counts, 0)
    rows = [
        ClassAccuracy(
            name=wording.readable(name),
            share=float(right[index] / totals[index]),
            images=int(totals[index]),
            rival=wording.readable(view.names[int(counts[index].argmax())]) if counts[index].any() else None,
        )
        for index, name in enumerate(view.names)
        if totals[index]
    ]
    return sorted(rows, key=lambda row: -row.share)


def extremes(rows: Sequence[ClassAccuracy], number: int = 10) -> tuple[list[ClassAccuracy], list[ClassAccuracy]]:
    """The best and the worst `number`, never the same class in both; the worst one first in the second."""
    number = min(number, len(rows) // 2)
    return list(rows[:number]), list(rows[::-1][:number])


def environment_rows(environment: Environment) -> list[tuple[str, str]]:
    """The machine, the versions and the times of a run, as pairs of words; what is unknown is left out."""
    machine, versions = environment["machine"], environment["versions"]
    commit = environment.get("commit")
    rows = [
        ("processor", machine.get("processor")),
        ("cores", machine.get("cores")),
        ("memory", wording.size(machine.get("memory_bytes"))),
        ("accelerator", machine.get("accelerator") or "none"),
        ("system", machine.get("system")),
        ("engine", f"{environment['engine']}, {environment['device']}, {environment['precision']}"),
        ("treehead", f"{environment['treehead']}{f', commit {commit[:10]}' if commit else ''}"),
        *((name, version) for name, version in versions.items()),
        ("started", wording.moment(environment["started"])),
        ("finished", wording.moment(environment.get("finished"))),
        ("time taken", wording.duration(environment.get("seconds"))),
        ("peak memory", wording.size(environment.get("peak_memory_bytes"))),
    ]
    return [(name, str(value)) for name, value in rows if value not in (None, "", wording.NOTHING)]
