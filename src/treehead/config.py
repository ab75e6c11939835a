"""Ground floor: every knob a user may turn, with its meaning, its unit and its range.

A config is frozen. It varies in one way only, `changed`, which checks the whole again.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from treehead.types import UserError


class Section(BaseModel):
    """Base of every section: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True
    )


class DataConfig(Section):
    """Which images, and which of them are trained on."""

    name: Literal["cifar100", "shapes", "folder", "manifest", "arrays"] = "cifar100"
    """`cifar100`; drawn `shapes`; your own `folder` of folders, CSV or Parquet `manifest`, or `arrays` from Python."""
    root: Path | None = None
    """Folder, manifest or archive of the data set; CIFAR-100 without it: TREEHEAD_DATA, the cache, a download."""
    tree: str = "haf8"
    """Label tree of CIFAR-100: haf8, bcnn8, superclass or haf5. Other data sets have their own."""
    split: str = Field(default="official", pattern=r"^(official|[1-9]\d?:[1-9]\d?)$")
    """`official`, or train:validation in percent such as 80:20 and 90:10, stratified by leaf."""
    pool: Literal["train", "all"] = "train"
    """What a percentage splits: the training images alone, or `all` images together."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """Make unequal classes count alike: by `weights` in the loss, or by `sampling` rare ones more often."""
    image_px: int = Field(default=64, ge=32, le=224)
    """Height and width that one's own images are fitted to: the short side, then the centre."""
    levels: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Names of the levels of one's own tree, leaves first; of a manifest also its columns."""
    test_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of one's own images held out for the test where folder or manifest name none."""
    unreadable_share: float = Field(default=0.05, ge=0, lt=1)
    """Largest share of one's own images that may be unreadable; they are listed and left out."""
    cache: Path | None = None
    """Where one's own images are kept decoded; the platform's cache folder if not given."""


class ShrinkConfig(Section):
    """A part of the training at a smaller image size."""

    until: float = Field(gt=0, le=1)
    """Share of the epochs up to which images are shrunk so."""
    pixels: int = Field(ge=4)
    """Height and width they are shrunk to."""


class AugmentConfig(Section):
    """How the training images are varied, anew in every epoch."""

    crop_px: int = Field(default=4, ge=0)
    """Largest shift of the random crop in each direction, in pixels; the border is reflected."""
    flip: bool = True
    """Mirror left and right with probability one half."""
    cutout_px: int = Field(default=0, ge=0)
    """Side of a square, somewhere in the image, that is blanked out with the mean colour; 0 blanks nothing."""
    cutmix: float = Field(default=0.0, ge=0, le=1)
    """Share of the images that get a rectangle of another image, and of its label as much."""
    shrink: tuple[ShrinkConfig, ...] = ()
    """Smaller images in early epochs, which cost less: [{until = 0.3, pixels = 20}]; in order of `until`."""

    @field_validator("shrink")
    @classmethod
    def _in_order(cls, parts: tuple[ShrinkConfig, ...]) -> tuple[ShrinkConfig, ...]:
        if any(after.until <= before.until for before, after in pairwise(parts)):
            raise ValueError("its parts must stand in order of `until`, each later than the one before")
        return parts


class ReluConfig(Section):
    kind: Literal["relu"] = "relu"
    """max(0, x)."""


class LeakyReluConfig(Section):
    kind: Literal["leaky_relu"] = "leaky_relu"
    """x where it is positive, slope * x where not."""
    slope: float = Field(default=0.1, gt=0, lt=1)
    """What negative values are multiplied by."""


class StageConfig(Section):
    """One resolution of the trunk: a convolution that widens and shrinks, then residual blocks."""

    width: int = Field(ge=1)
    """Channels of the stage."""
    shrink: Literal["pool", "stride", "none"] = "pool"
    """How the image is halved: max pooling after the convolution, a stride of 2 in it, or not at all."""
    residuals: int = Field(default=1, ge=0)
    """Residual blocks of two 3x3 convolutions."""
    middle: int | None = Field(default=None, ge=1)
    """Channels between the two convolutions of a block; the stage's width if not given."""


class NetworkConfig(Section):
    """The trunk that all heads share."""

    stages: tuple[StageConfig, ...] = Field(
        default=(
            StageConfig(width=64, middle=32),
            StageConfig(width=128, middle=128),
            StageConfig(width=256, middle=376),
        ),
        min_length=1,
    )
    """From the image to the features."""
    grow: bool = False
    """Put narrow stages in front for large images, until the last feature map is at most 8 pixels."""
    activation: Annotated[ReluConfig | LeakyReluConfig, Field(discriminator="kind")] = ReluConfig()
    norm: Literal["batch", "none"] = "batch"
    """What follows a convolution: batch normalisation, or nothing (which wants a far smaller learning rate)."""
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Widths of fully connected layers between the pooled features and the heads."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the features that is dropped before the heads while training."""


LevelWeights = tuple[Annotated[float, Field(ge=0)], ...]


class LossConfig(Section):
    """What all losses share: a loss per head, summed with a weight per level."""

    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Share of each target that is spread evenly over all classes."""
    level_weights: LevelWeights = (1.0, 0.3, 0.1)
    """Weight of each level's loss, leaves first; levels beyond the list take its last value."""
    final_level_weights: LevelWeights | None = None
    """Weights that the above have become, in a line over the epochs, at the last one; without it they stay."""


class CrossEntropyConfig(LossConfig):
    """Cross-entropy of every head."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    """Cross-entropy of every head."""


class SeverityConfig(LossConfig):
    """Cross-entropy times (alpha + severity of the current prediction)."""

    kind: Literal["severity"] = "severity"
    """Cross-entropy times (alpha + severity of the current prediction), a constant to the gradient."""
    alpha: float = Field(default=1.0, gt=0)
    """Weight of an image that is right already; a mistake adds its severity."""


class ExpectedSeverityConfig(LossConfig):
    """Cross-entropy plus weight * expected severity."""

    kind: Literal["expected_severity"] = "expected_severity"
    """Cross-entropy plus weight * the mean severity under the head's own probabilities."""
    weight: float = Field(default=0.5, ge=0)
    """Of the expected severity, per edge of the tree."""


class MarginalConfig(LossConfig):
    """Cross-entropy, also of the leaf probabilities summed up at every level."""

    kind: Literal["marginal"] = "marginal"
    """Cross-entropy, also of the leaf probabilities summed up at every level above."""
    weight: float = Field(default=0.3, ge=0)
    """Of the summed probabilities' cross-entropy at each level above the leaves."""


class HxeConfig(LossConfig):
    """Hierarchical cross-entropy of the leaf head."""

    kind: Literal["hxe"] = "hxe"
    """Hierarchical cross-entropy (Bertinetto et al. 2020) of the leaf head; cross-entropy of the others."""
    alpha: float = Field(default=0.1, ge=0)
    """How fast the weight of an edge falls with its height: exp(-alpha * height)."""


class SoftLabelsConfig(LossConfig):
    """Cross-entropy against targets that fall off with the distance in the tree."""

    kind: Literal["soft_labels"] = "soft_labels"
    """Cross-entropy against targets that fall off with the distance in the tree (Bertinetto et al. 2020)."""
    beta: float = Field(default=10.0, gt=0)
    """How fast they fall off: exp(-beta * height / height of the tree); large is one-hot."""


class AdamConfig(Section):
    """Adam with decoupled weight decay (AdamW)."""

    kind: Literal["adam"] = "adam"
    """Adam with decoupled weight decay (AdamW)."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Peak step size, before the schedule scales it."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay of the gradient mean and mean square, per step."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root mean square, after bias correction."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Kernels shrink by learning_rate * weight_decay a step; biases and norms do not."""


class SgdConfig(Section):
    """Stochastic gradient descent with Nesterov momentum."""

    kind: Literal["sgd"] = "sgd"
    """Stochastic gradient descent with momentum."""
    learning_rate: float = Field(default=0.2, gt=0)
    """Peak step size, before the schedule scales it."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Share of the last step that is taken again."""
    nesterov: bool = True
    """Look ahead along the momentum before stepping."""
    weight_decay: float = Field(default=5e-4, ge=0)
    """Added to a kernel's gradient, times the kernel; not to biases and norms."""


class MuonConfig(Section):
    """Orthogonalised momentum for convolution kernels, Adam for all else."""

    kind: Literal["muon"] = "muon"
    """Orthogonalised momentum for convolution kernels of a fixed norm, Adam for all else."""
    learning_rate: float = Field(default=0.18, gt=0)
    """Peak step size of the convolution kernels, before the schedule scales it."""
    momentum: float = Field(default=0.6, ge=0, lt=1)
    """Share of the last direction that is kept, before it is orthogonalised."""
    adam_learning_rate: float = Field(default=4e-3, gt=0)
    """Peak step size of heads, norms and biases."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Adam's: decay of the gradient mean and mean square, per step."""
    eps: float = Field(default=1e-8, gt=0)
    """Adam's: added to the root mean square, after bias correction."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of the weights of linear layers, as for Adam; convolution kernels keep their norm instead."""


class ScheduleConfig(Section):
    """The learning rate as a share of its peak."""

    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps in which the rate climbs in a line from 0 to its peak."""
    decay: Literal["linear", "cosine", "constant"] = "linear"
    """How it falls to 0 afterwards."""


class TrainConfig(Section):
    epochs: int = Field(default=50, ge=1)
    """Passes over the training images."""
    batch_size: int = Field(default=256, ge=2)
    """Images per step; the rest of an epoch that fills no batch is left to the next shuffle."""


class EngineConfig(Section):
    """What computes."""

    kind: Literal["pytorch", "scratch"] = "pytorch"
    """What computes: `pytorch`, or `scratch`, NumPy by hand on the CPU in float32."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """`auto`: an accelerator if there is one."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of the arithmetic; weights stay float32. `auto`: bfloat16 where the machine computes in it natively."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads; without it all that the process may use."""


class OutputConfig(Section):
    """What a run leaves behind beside its figures."""

    images: bool = True
    """Keep a few misread test images in the run folder, for its report."""
    tensorboard: bool = False
    """Also write TensorBoard events; needs the extra: pip install 'treehead[tensorboard]'."""


Optimizer = Annotated[AdamConfig | SgdConfig | MuonConfig, Field(discriminator="kind")]
Loss = Annotated[
    CrossEntropyConfig | SeverityConfig | ExpectedSeverityConfig | MarginalConfig | HxeConfig | SoftLabelsConfig,
    Field(discriminator="kind"),
]


class RunConfig(Section):
    """Everything that decides a run. Same config, code, engine and machine: same numbers."""

    name: str = Field(default="run", pattern=r"^[\w.-]+$")
    """Goes into the name of the run folder."""
    seed: int = Field(default=0, ge=0)
    """Of the initial weights, the shuffles, the crops and flips, the dropout and the split."""
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    network: NetworkConfig = NetworkConfig()
    loss: Loss = CrossEntropyConfig()
    optimizer: Optimizer = AdamConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    train: TrainConfig = TrainConfig()
    decode: Literal["independent", "top_down", "path", "marginal", "crm"] = "independent"
    """How the heads' probabilities become one answer; all but `independent` agree with the tree."""
    engine: EngineConfig = EngineConfig()
    output: OutputConfig = OutputConfig()


UNION_TAGS = {"relu", "leaky_relu", "adam", "sgd", "muon", "cross_entropy", "severity", "expected_severity"} | {
    "marginal",
    "hxe",
    "soft_labels",
}
"""Every `kind` of a section that has several."""


def changed(config: RunConfig, changes: Mapping[str, object]) -> RunConfig:
    """Copy `config` with dotted keys replaced, checked again: {"train.epochs": 5}.

    Conventions: a changed `kind` starts its section anew, so that no key of the other kind is left;
        kinds are changed first, whatever their order in `changes`.
    Raises: UserError: a key that does not exist, naming the nearest; a value out of range.
    """
    tree = config.model_dump()
    for dotted in sorted(changes, key=lambda key: not key.endswith(".kind")):
        *path, last = dotted.split(".")
        node: dict[str, Any] = tree
        for name in path:
            inner = node.get(name)
            if not isinstance(inner, dict):
                raise _unknown_key(dotted, config)
            node = inner
        if last == "kind" and node.get("kind") != changes[dotted]:
            node.clear()
        elif last not in node and "kind" not in node:  # a section with a kind is checked by that kind
            raise _unknown_key(dotted, config)
        node[last] = changes[dotted]
    return _checked(tree)


def read_config(text: str) -> RunConfig:
    """Read a TOML config; keys it leaves out have their defaults.

    Raises: UserError: no TOML, an unknown key, a value out of range.
    """
    try:
        return _checked(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the config is no TOML: {error}") from None


def write_config(config: RunConfig) -> str:
    """Every key of `config` as TOML; keys without a value are left out."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def described(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, object, str]]:
    """Every key of `section` in order: (dotted key, value, meaning)."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from described(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, " ".join((field.description or "").split())


def written(value: object) -> str:
    """A value as one would write it on the command line: key=VALUE."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, BaseModel):
        pairs = value.model_dump(exclude_none=True).items()
        return f"{{{', '.join(f'{key} = {written(inner)}' for key, inner in pairs)}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _checked(tree: Mapping[str, object]) -> RunConfig:
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        known = UNION_TAGS  # pydantic puts a union's tag into the place
        where = ".".join(str(part) for part in first["loc"] if part not in known)
        if first["type"] == "extra_forbidden":
            raise _unknown_key(where, RunConfig()) from None
        given = first["input"] if not isinstance(first["input"], Mapping) else first["input"].get("kind")
        wrong = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{where} = {given!r}: {wrong[0].lower()}{wrong[1:]}") from None


def _unknown_key(dotted: str, config: RunConfig) -> UserError:
    nearest = difflib.get_close_matches(dotted, [key for key, _, _ in described(config)], n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return UserError(f"there is no config key {dotted}; {hint}`treehead config` lists them all")
