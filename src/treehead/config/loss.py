"""What training minimises."""

from typing import Annotated, Literal

from pydantic import Field

from treehead.config.section import Section

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


Loss = Annotated[
    CrossEntropyConfig | SeverityConfig | ExpectedSeverityConfig | MarginalConfig | HxeConfig | SoftLabelsConfig,
    Field(discriminator="kind"),
]
