"""The JSON records of a run folder: history.jsonl, metrics.json, environment.json, network.json.

Levels are listed from the leaves up. Fractions are in [0, 1], losses in nats. A severity is a height in the tree: 0 for
a right answer, 1 for a wrong leaf below the right parent, up to L, the number of levels, where no level is right.
"""

from typing import NotRequired, TypeAlias, TypedDict

ByLevel: TypeAlias = dict[str, float]
"""One number for each level, by the level's name."""


class EpochFigures(TypedDict):
    """Loss and accuracy over the training or the validation images of one epoch."""

    loss: float
    """Sum of `losses`, each times the weight of its level in this epoch."""
    losses: ByLevel
    """Mean training loss of each head."""
    accuracy: ByLevel
    """Fraction of right answers of each head."""


class EpochRecord(TypedDict):
    """One line of history.jsonl."""

    epoch: int
    """Number of the epoch, from 1."""
    learning_rate: float
    """Learning rate of the epoch's last step."""
    seconds: float
    """Duration of the epoch's training steps, without validation."""
    images_per_second: float
    """Training images per second."""
    train: EpochFigures
    """Means over the epoch's augmented training images, taken while the weights change."""
    validation: EpochFigures
    """Figures on the validation images, at the end of the epoch."""


class SeverityFigures(TypedDict):
    """How severe the mistakes at the leaves are."""

    severity_counts: list[int]
    """Number of images at each severity, 0 to L."""
    severity_share: list[float] | None
    """Fraction of the mistakes at each severity, 1 to L; None without a mistake."""
    severity_chance: list[float]
    """The same fractions for mistakes drawn uniformly at random."""
    mistake_severity: float | None
    """Mean severity of the mistakes; None without a mistake."""
    hd: dict[str, float]
    """HD@k by k: mean severity of the k best-ranked leaves, over all images."""


class PathOverlap(TypedDict):
    """Hierarchical precision, recall and F1; see `metrics.hierarchical.path_overlap`."""

    precision: float
    """Fraction of the answered classes that are right."""
    recall: float
    """Fraction of the true classes that are answered."""
    f1: float
    """Harmonic mean of precision and recall."""


class AnswerFigures(SeverityFigures):
    """Figures that depend on the decoder: they measure the answers and the ranking of the leaves."""

    accuracy: ByLevel
    """Fraction of right answers."""
    full_path_accuracy: float
    """Fraction of images that are right at every level."""
    tree_inconsistency: float
    """Fraction of images whose answers at two levels contradict the tree."""
    hierarchical: PathOverlap
    """Overlap of the answered and the true path."""


class LevelFigures(TypedDict):
    """Figures of each level's probabilities."""

    images: int
    """Number of test images."""
    known: dict[str, int]
    """Number of test images that are labelled at each level; the level's figures are over these."""
    top5: ByLevel
    """Fraction of images whose true class is among the five most probable."""
    loss: ByLevel
    """Mean cross-entropy of the true class."""
    calibration_error: ByLevel
    """Expected calibration error, 15 bins of equal width."""
    recall: dict[str, list[float | None]]
    """Fraction of each class's images that is answered right, in class order; None for a class without images."""


class Summary(LevelFigures, AnswerFigures):
    """Every figure of one set of predictions; see `metrics.summary.summarise`."""

    confusion: dict[str, list[list[int]]]
    """Confusion matrix, number of images by true class and answer."""


class RiskCoverage(TypedDict):
    """Error rate of the most confident answers."""

    coverage: list[float]
    """Fractions of the images, most confident first."""
    risk: dict[str, list[float]]
    """Error rate at each of `coverage`."""
    aurc: ByLevel
    """Area under the risk-coverage curve: mean risk over all coverages."""


class BackOff(TypedDict):
    """Answers at the deepest level whose confidence reaches a threshold, at each of several thresholds."""

    threshold: list[float]
    """Confidence thresholds."""
    answered: dict[str, list[float]]
    """Fraction of the images answered at this level, for each threshold."""
    coverage: list[float]
    """Fraction of the images answered at any level."""
    risk: list[float | None]
    """Error rate of the answered images; None where there are none."""


class SelectiveFigures(TypedDict):
    """Figures of selective prediction; see `metrics.selective.selective_figures`."""

    risk_coverage: RiskCoverage
    back_off: BackOff


class CalibrationErrors(TypedDict):
    """How well probabilities fit the test images."""

    loss: ByLevel
    """Mean cross-entropy of the true class."""
    calibration_error: ByLevel
    """Expected calibration error, 15 bins of equal width."""


class CalibrationFigures(TypedDict):
    """How the heads are pooled into the posterior, and what it changes on the test images."""

    weights: ByLevel
    """Weight of each head; 1 for the leaf head and 0 for the others where none was fitted. Empty in reports on metrics
    of an earlier version, which calibrated every head by itself."""
    images: int
    """Number of held-out images the weights were fitted on; 0 where there were none."""
    source: str
    """Which images these are, or why there are none."""
    before: CalibrationErrors
    """Of each head alone, as it is."""
    after: CalibrationErrors
    """Of the posterior."""


class RiskControl(TypedDict):
    """One bound on the error of backed-off answers, and what they give on the test images."""

    max_error: float
    """Largest fraction of images that may be answered wrongly."""
    threshold: float
    """Confidence that an answer needs, chosen on held-out images."""
    error: float
    """Fraction of the test images that are answered wrongly."""
    low: float
    """Lower end of its 95 % interval over the images (Clopper-Pearson)."""
    high: float
    """Upper end."""
    answered: ByLevel
    """Fraction of the images answered at each level; the rest have no answer."""


class SetFigures(TypedDict):
    """Prediction sets for one coverage."""

    asked: float
    """Fraction of images whose set shall contain the true leaf."""
    threshold: float
    """Probability that a leaf needs to be in the set, chosen on held-out images."""
    coverage: float
    """Fraction of the test images whose set contains it."""
    low: float
    """Lower end of its 95 % interval over the images (Clopper-Pearson)."""
    high: float
    """Upper end."""
    nodes: float
    """Mean number of nodes in a set."""
    leaves: float
    """Mean number of leaves below them."""


class GuaranteeFigures(TypedDict):
    """Guarantees asked and kept; see `run.guarantees`."""

    risk_control: list[RiskControl]
    """Back-off with a bounded error; without the bounds that the held-out images were too few for."""
    sets: list[SetFigures]
    """Prediction sets, likewise."""


class DecoderFigures(AnswerFigures):
    """One decoder's figures on the run's predictions."""

    haf5: NotRequired[SeverityFigures]
    """Severities on the five-level tree of the literature; only where the leaves are those of CIFAR-100."""


class TreeFigures(TypedDict):
    """Figures that need several decoders, or another tree than the run's; see `run.decoder_table.tree_figures`."""

    decoders: dict[str, DecoderFigures]
    """Every decoder's figures, by its kind."""
    alarm: str | None
    """A warning where the tree may not match the labels; else None."""
    haf5: NotRequired[SeverityFigures]
    """As `DecoderFigures.haf5`, with the run's decoder."""


class Metrics(LevelFigures, AnswerFigures, SelectiveFigures, TreeFigures):
    """metrics.json: every figure on the test images, from the posterior and one view of each image."""

    format: int
    """Version of the run folder's format."""
    tree: str
    """Name of the label tree."""
    levels: list[str]
    """Names of its levels."""
    decode: str
    """Decoder that gave the answers."""
    split: str
    """Data split, such as `official` or `90:10`."""
    confusion: NotRequired[dict[str, list[list[int]]]]
    """Confusion matrix, number of images by true class and answer; may be removed to make the file small."""
    calibration: CalibrationFigures
    guarantees: GuaranteeFigures


class Machine(TypedDict):
    """The computer a run was trained on."""

    processor: str
    """Model name of the processor."""
    cores: int
    """Number of cores this process may use."""
    memory_bytes: int
    """Main memory."""
    accelerator: str | None
    """Model name of the GPU in use; None on a processor."""
    system: str
    """Operating system and architecture."""


class Environment(TypedDict):
    """environment.json: where, when and with which software a run was trained."""

    format: int
    """Version of the run folder's format."""
    treehead: str
    """Version of treehead."""
    commit: str | None
    """Git commit, with a trailing + for a modified checkout; None outside a checkout."""
    started: str
    """Start, ISO 8601, UTC."""
    finished: str | None
    """End, ISO 8601, UTC; None before it."""
    machine: Machine
    versions: dict[str, str]
    """Versions of Python and of the installed libraries, by name."""
    engine: str | None
    """Engine: `pytorch` or `scratch`."""
    device: str | None
    """Device: `cpu`, `cuda` or `mps`."""
    precision: str | None
    """Number format of the multiplications, such as `bfloat16`."""
    seconds: float | None
    """Total duration of the training steps; None before the end."""
    work_pflop: NotRequired[float]
    """Arithmetic of the whole training in PFLOP, see `training.work.training_work`; not in runs before version 0.2."""
    peak_memory_bytes: int | None
    """Peak resident memory of the process; None before the end."""
    tree_digest: NotRequired[str]
    """Digest of the label tree; see `LabelTree.digest`."""


class LayerRow(TypedDict):
    """One layer of network.json."""

    name: str
    """Dotted name, as in the weights file."""
    kind: str
    """Class of the layer, such as `Conv2d`."""
    output: list[int]
    """Output shape of one image."""
    parameters: int
    """Number of trainable parameters."""
    multiply_adds: int
    """Number of multiply-adds for one image."""


class Network(TypedDict):
    """network.json: the parameter table."""

    input: list[int]
    """Input shape (channels, height, width)."""
    layers: list[LayerRow]
    parameters: int
    """Total number of trainable parameters."""
    multiply_adds: int
    """Total number of multiply-adds for one image."""
