"""Calibration on held-out images: the weights of a network's posterior, and the thresholds of its guarantees.

Axes: N held-out images, L levels from the leaves up, K leaves.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from treehead.decode import confidences, decode
from treehead.hierarchy.tree import LabelTree
from treehead.posterior.conformal import (
    back_off_threshold,
    needed_images,
    nonconformity,
    risk_scores,
    set_threshold,
)
from treehead.posterior.pooling import LARGEST, fit_weights, node_probabilities, pool
from treehead.types import Array, UserError

FORMAT = 2
MAX_ERRORS = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Bounds on the error that reports and the web page show."""
STEPS = 500
"""Guarantees are kept for errors of 0.001, 0.002, ... 0.5."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the heads are pooled into one posterior, and the confidence that an answer needs for a guarantee.

    weights: (L,), see `pooling.pool`; images: the number N of held-out images, 0 where there were none; source: which
    images these are, or why there are none; decoder: the one whose answers `back_off` is for, None where there were no
    images; back_off, sets: the threshold for each error of 0.001, 0.002, ... 0.5, None where N is too small, see
    `conformal.back_off_threshold` and `conformal.set_threshold`; donor: the run that it was taken over from, None for a
    run's own.
    """

    weights: tuple[float, ...]
    images: int
    source: str
    decoder: str | None = None
    back_off: tuple[float | None, ...] = ()
    sets: tuple[float | None, ...] = ()
    donor: str | None = None

    @property
    def is_fitted(self) -> bool:
        return self.images > 0

    def posterior(self, logits: Sequence[Array], tree: LabelTree) -> list[Array]:
        """The probability of every node. Shapes: logits: per level (N, K_l); returns the same shapes, float64."""
        return node_probabilities(pool(logits, tree, self.weights), tree)

    def back_off_threshold(self, max_error: float, *, decoder: str) -> float:
        """The confidence from which on answers of `decoder` keep the share of wrong ones at or below `max_error`.

        Conventions: an error between two of the kept ones has the threshold of the smaller.
        Raises: UserError: max_error is not between 0 and 1, the held-out images are too few for it, or the thresholds
            were chosen for another decoder.
        """
        if self.decoder is not None and decoder != self.decoder:
            raise UserError(
                f"--max-error: the thresholds were chosen for decode = {self.decoder}, but the answers are of decode = "
                f"{decoder}; run treehead evaluate with decode={self.decoder}, or without --max-error"
            )
        return self._threshold(self.back_off, max_error, "--max-error")

    def bounds(self, decoder: str) -> dict[float, float]:
        """The threshold of each of `MAX_ERRORS` that the held-out images allow for answers of `decoder`."""
        thresholds = {}
        for max_error in MAX_ERRORS:
            with suppress(UserError):  # none or too few held-out images, or thresholds for another decoder
                thresholds[max_error] = self.back_off_threshold(max_error, decoder=decoder)
        return thresholds

    def set_threshold(self, coverage: float) -> float:
        """The probability from which on a leaf is in a prediction set that holds the truth with `coverage`.

        Raises: UserError: coverage is not between 0 and 1, or the held-out images are too few for it.
        """
        return self._threshold(self.sets, 1 - coverage, "--set")

    def _threshold(self, kept: tuple[float | None, ...], error: float, option: str) -> float:
        if not 0 < error < 1:
            raise UserError(f"{option} must be between 0 and 1, exclusive")
        if not kept:
            raise UserError(
                f"{option} needs thresholds chosen on held-out images, and this model has none: {self.source}"
            )
        step = min(math.floor(error * 2 * STEPS + 1e-6), STEPS)
        if not step:
            raise UserError(f"{option}: a guarantee can allow no less than {50 / STEPS:g} % of wrong answers or sets")
        threshold = kept[step - 1]
        if threshold is None:
            raise UserError(
                f"{option}: {self.images:,} held-out images are too few for this guarantee, which needs at least "
                f"{needed_images(step / (2 * STEPS)):,} with a known leaf"
            )
        return threshold


def uncalibrated(num_levels: int, reason: str) -> Calibration:
    """The leaf head alone, as it is."""
    return Calibration((1.0, *[0.0] * (num_levels - 1)), 0, reason)


def fit(logits: Sequence[Array], labels: Array, tree: LabelTree, *, decoder: str, source: str) -> Calibration:
    """Fit the weights on held-out images, and choose the thresholds of every guarantee.

    Shapes: logits: per level (N, K_l); labels: (N, L) class ids, -1 where not known.
    Conventions: thresholds are chosen on the images whose leaf is known, for the answers of `decoder`, or of `crm`
        where `decoder` is `independent`, which has no one answer to back off from; the weights are fitted on the same
        images, a handful of numbers on N of them.
    Raises: UserError: as `pooling.fit_weights`. RunError: a logit is NaN or infinite.
    """
    weights = fit_weights(logits, labels, tree)
    full = labels[:, 0] >= 0
    nodes = node_probabilities(pool([level[full] for level in logits], tree, weights), tree)
    labels = labels[full]
    decoder = "crm" if decoder == "independent" else decoder
    answers = decode(decoder, nodes, tree, heads=[level[full] for level in logits]).answers
    risks = risk_scores(confidences(nodes, answers), answers == labels)
    scores = nonconformity(nodes[0], labels[:, 0])
    errors = [(step + 1) / (2 * STEPS) for step in range(STEPS)]
    enough = [len(labels) >= needed_images(error) for error in errors]
    return Calibration(
        weights,
        len(full),
        source,
        decoder,
        tuple(back_off_threshold(risks, max_error=e) if ok else None for e, ok in zip(errors, enough, strict=True)),
        tuple(set_threshold(scores, coverage=1 - e) if ok else None for e, ok in zip(errors, enough, strict=True)),
    )


def to_json(calibration: Calibration, tree: LabelTree) -> dict[str, Any]:
    """The content of calibration.json."""
    return {
        "format": FORMAT,
        "tree": tree.digest,
        "weights": dict(zip(tree.levels, calibration.weights, strict=True)),
        "images": calibration.images,
        "source": calibration.source,
        "donor": calibration.donor,
        "decoder": calibration.decoder,
        "back_off": list(calibration.back_off),
        "sets": list(calibration.sets),
    }


def from_json(value: Mapping[str, Any], tree: LabelTree) -> Calibration:
    """Undo `to_json`; a file of format 1, a temperature per level, gives the leaf head at its temperature.

    Raises: ValueError, KeyError, TypeError: it is damaged. UserError: it belongs to another tree, or is of a later
        version.
    """
    _check_head(value)
    if "temperature" in value:
        temperatures = [float(value["temperature"][level]) for level in tree.levels]
        if not all(0 < temperature < math.inf for temperature in temperatures):
            raise ValueError("its temperatures must be positive")
        fitted = int(value["images"]) > 0
        weights = _checked((1 / temperatures[0] if fitted else 1.0, *[0.0] * (len(tree.levels) - 1)))
        return Calibration(weights, int(value["images"]), "a temperature of the leaf head, by an earlier version")
    if value["tree"] != tree.digest:
        raise UserError("it was fitted on another tree")
    weights = _checked(tuple(float(value["weights"][level]) for level in tree.levels))
    back_off, sets = (tuple(None if t is None else float(t) for t in value[key]) for key in ("back_off", "sets"))
    for kept in (back_off, sets):
        if len(kept) not in (0, STEPS) or any(t is not None and not 0 <= t <= 2 for t in kept):
            raise ValueError("its thresholds are not probabilities")
    decoder = value["decoder"] if value["decoder"] is None else str(value["decoder"])
    donor = None if value.get("donor") is None else str(value["donor"])
    return Calibration(weights, int(value["images"]), str(value["source"]), decoder, back_off, sets, donor)


def _check_head(value: object) -> None:
    """Raises: ValueError: not a calibration. UserError: one of a later version."""
    if not isinstance(value, Mapping):
        raise ValueError("it is not a JSON object")
    file_format = value.get("format", 1)
    if type(file_format) is not int or file_format < 1:
        raise ValueError(f"its format is {file_format!r}")
    if file_format > FORMAT:
        raise UserError(f"it has format {file_format}, of a later version of treehead")
    images = value.get("images")
    if type(images) is not int or images < 0:
        raise ValueError("its number of images is not a whole number")


def _checked(weights: tuple[float, ...]) -> tuple[float, ...]:
    if not all(math.isfinite(weight) and 0 <= weight <= LARGEST for weight in weights) or not any(weights):
        raise ValueError(f"its weights must lie between 0 and {LARGEST:g}, and not all be 0")
    return weights
