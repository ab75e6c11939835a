"""The JSON record of a study folder: summary.json.

Accuracies are fractions in [0, 1], losses are in nats, levels are listed from the leaves up. A cell is one run of the
study. A measure is a figure of one run that is compared between runs: `accuracy.LEVEL`, `severe`, `validation_loss`,
`epochs_to.PERCENT` or `mean_validation`; see `CellFigures` for meaning and unit.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

CellProgress: TypeAlias = Literal["finished", "begun", "failed", "waiting"]
NoiseSource: TypeAlias = Literal["seeds", "residual"]


class CellFigures(TypedDict):
    """The figures of one finished run."""

    accuracy: dict[str, float]
    """Test accuracy of every level, by name."""
    severe: float
    """Fraction of the test images whose mistake has the greatest severity."""
    train_loss: float
    """Training loss of the last epoch, all levels together."""
    validation_loss: float
    """Validation loss after the last epoch, all levels together."""
    train_accuracy: float
    """Training accuracy of the leaf level in the last epoch."""
    validation_accuracy: float
    """Validation accuracy of the leaf level after the last epoch."""
    epochs_to: dict[str, int | None]
    """First epoch, counted from 1, whose leaf validation accuracy reaches a mark, by the mark in percent; None if no
    epoch does."""
    mean_validation: float
    """Leaf validation accuracy, averaged over all epochs."""
    minutes: float
    """Training time."""
    work_pflop: NotRequired[float | None]
    """Training arithmetic in PFLOP, see `training.work.training_work`; None for a run of an earlier version."""


class CellRow(TypedDict):
    """One cell of the study, finished or not."""

    name: str
    """Name of the run's folder."""
    at: dict[str, str]
    """The choice on every axis."""
    extra: str | None
    """The ablation it belongs to; None for a cell of the grid."""
    state: CellProgress
    """`begun`: training, or stopped before the end."""
    epochs: int
    """Epochs done."""
    planned: int
    """Epochs of the whole run."""
    machine: str | None
    """Name of the accelerator, else of the processor; None before the run has begun."""
    failure: str | None
    """Why the run failed; None unless `state` is `failed`."""
    tree: str | None
    """Name of the label tree; None until the run is finished."""
    figures: CellFigures | None
    """None until the run is finished."""
    parameters: int | None
    """Number of trainable parameters; None before the run has begun."""


class NoiseRecord(TypedDict):
    """How much a measure varies between runs of one config."""

    deviation: float
    """Standard deviation of one run, in the unit of the measure."""
    degrees: int
    """Degrees of freedom of the estimate."""
    source: NoiseSource
    """`seeds`: pooled over repeated seeds; `residual`: residuals of the additive model of the axes."""


class IntervalRecord(TypedDict):
    """A mean over n values, with its 95 % confidence interval."""

    mean: float
    low: float | None
    """None if there is no interval: a single value, and no estimate of the noise."""
    high: float | None
    n: int
    """Number of values."""


class JudgedDifference(IntervalRecord):
    """The mean difference of a measure between runs, in the unit of the measure."""

    is_noise: bool | None
    """Whether the interval contains 0: no difference is detected. None without an interval."""
    by: Literal["pairs", "seeds", "residual"]
    """What the interval is estimated from: the differences themselves, or the noise of one run."""


class Effect(JudgedDifference):
    """A comparison: `second` minus `first`, over the pairs of cells that differ in this choice alone."""

    measure: str
    axis: str
    first: str
    second: str


class ExtraEffect(JudgedDifference):
    """An ablation: the extra cells minus their base runs, the cells that they are copies of but for one change."""

    measure: str
    extra: str


class Interaction(JudgedDifference):
    """How the effect of one comparison differs between the two choices of another."""

    measure: str
    axes: list[str]
    """The two axes."""
    choices: list[list[str]]
    """First and second choice on each of them."""


class ClassSpread(TypedDict):
    """Test accuracy of every leaf class, averaged over the finished cells of the grid."""

    runs: int
    """Number of runs averaged over."""
    names: list[str] | None
    """Class names, by class id."""
    accuracy: list[float]
    """By class id."""


class MistakeRow(TypedDict):
    """The mistakes of one choice under one decoder, over its seeds."""

    choice: str
    """The choices on all axes but the seed, and the extra, joined by commas."""
    at: dict[str, str]
    """The same by axis."""
    extra: str
    """The ablation; "" for a cell of the grid."""
    decode: str
    """Name of the decoder."""
    runs: int
    """Number of seeds."""
    figures: dict[str, IntervalRecord]
    """By figure, see `study.mistakes.figures_of`: mean and interval over the seeds."""
    against: dict[str, IntervalRecord] | None
    """Differences of the same figures to the first row, paired by seed; None for the first row."""


class TextTable(TypedDict):
    """A table as text."""

    heads: list[str]
    lines: list[list[str]]


class Answer(TypedDict):
    """A result of the study in a sentence, and the question it answers."""

    question: str
    text: str


class StudySummary(TypedDict):
    """summary.json."""

    format: int
    """Version of this record."""
    name: str
    about: str
    """What the study asks."""
    levels: list[str]
    """Names of the levels, leaves first; empty until a run is finished."""
    axes: dict[str, list[str]]
    """The choices of every axis."""
    splits: list[str]
    """The splits of training and validation images that occur."""
    cells: list[CellRow]
    noise: dict[str, NoiseRecord | None]
    """By measure; None if the runs allow no estimate."""
    effects: list[Effect]
    interactions: list[Interaction]
    extras: list[ExtraEffect]
    classes: ClassSpread | None
    """None until a run is finished, or if the runs have different classes."""
    mistakes: list[MistakeRow]
    mistakes_table: TextTable
    """`mistakes` as text."""
    answers: list[Answer]
