"""The loss that training minimises."""

from typing import Annotated, Literal

from pydantic import Field

from treehead.config.section import Section

LevelWeights = tuple[Annotated[float, Field(ge=0)], ...]


class LevelWeightsConfig(Section):
    """The weights of the levels' losses, which every loss has."""

    level_weights: LevelWeights = (1.0, 0.3, 0.1)
    """Weight of each level's loss, leaves first; levels beyond the end of the list take its last value."""
    final_level_weights: LevelWeights | None = None
    """Level weights at the last epoch, interpolated linearly from `level_weights`; constant if not set."""


class LossConfig(LevelWeightsConfig):
    """What all losses except `custom` share."""

    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Fraction of each target distribution that is spread evenly over all classes."""


class CrossEntropyConfig(LossConfig):
    """Cross-entropy of every head."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    """Cross-entropy of every head."""


class SeverityConfig(LossConfig):
    """Cross-entropy times (alpha + severity of the current prediction)."""

    kind: Literal["severity"] = "severity"
    """Cross-entropy times (alpha + severity of the current prediction), a factor without a gradient."""
    alpha: float = Field(default=1.0, gt=0)
    """Factor for a correctly classified image; a mistake adds its severity."""


class ExpectedSeverityConfig(LossConfig):
    """Cross-entropy plus weight * expected severity."""

    kind: Literal["expected_severity"] = "expected_severity"
    """Cross-entropy plus weight * the expected severity under the head's probabilities."""
    weight: float = Field(default=0.5, ge=0)
    """Weight of the expected severity, which is counted in edges of the tree."""


class MarginalConfig(LossConfig):
    """Cross-entropy, plus that of the leaf probabilities summed up to every level."""

    kind: Literal["marginal"] = "marginal"
    """Cross-entropy, plus that of the leaf probabilities summed up to every level above the leaves."""
    weight: float = Field(default=0.3, ge=0)
    """Weight of the summed probabilities' cross-entropy at each level above the leaves."""


class HxeConfig(LossConfig):
    """Hierarchical cross-entropy of the leaf head."""

    kind: Literal["hxe"] = "hxe"
    """Hierarchical cross-entropy (Bertinetto et al. 2020) of the leaf head; cross-entropy of the others."""
    alpha: float = Field(default=0.1, ge=0)
    """Decay of the weight of an edge with its height: exp(-alpha * height)."""


class SoftLabelsConfig(LossConfig):
    """Cross-entropy with soft labels that decay with the distance in the tree."""

    kind: Literal["soft_labels"] = "soft_labels"
    """Cross-entropy with soft labels that decay with the distance in the tree (Bertinetto et al. 2020)."""
    beta: float = Field(default=10.0, gt=0)
    """Decay of the soft labels: exp(-beta * height / height of the tree); a large beta gives one-hot labels."""


class CustomLossConfig(LevelWeightsConfig):
    """An `Objective` passed from Python."""

    kind: Literal["custom"] = "custom"
    """An `Objective` passed to `treehead.train` from Python."""


Loss = Annotated[
    CrossEntropyConfig
    | SeverityConfig
    | ExpectedSeverityConfig
    | MarginalConfig
    | HxeConfig
    | SoftLabelsConfig
    | CustomLossConfig,
    Field(discriminator="kind"),
]
