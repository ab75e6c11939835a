"""Chance, drawn once: what one epoch shuffles, crops, flips and drops, as small arrays. Engines only apply it.

Axes: S steps, B batch, H W image.
"""

from dataclasses import dataclass

import numpy as np

from treehead.config import AugmentConfig
from treehead.types import Array


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """One epoch of training, decided.

    Shapes:
        order: (S, B) int64: which image stands where in which step.
        rows: (S, B, H), columns: (S, B, W), int16: the source pixel of every pixel. Crop, reflected border and
            flip are all this: varied[b, :, i, j] = image[order[b], :, rows[b, i], columns[b, j]].
        dropout_seeds: (S,) int64.
        blank_rows: (S, B, H), blank_columns: (S, B, W), bool: where both are true the mean colour stands.
    """

    order: Array
    rows: Array
    columns: Array
    dropout_seeds: Array
    blank_rows: Array
    blank_columns: Array


def draw_epoch_plan(
    augment: AugmentConfig,
    *,
    num_images: int,
    image_size: tuple[int, int],
    batch_size: int,
    seed: int,
    epoch: int,
) -> EpochPlan:
    """Decide epoch number `epoch` (from 1) of the run with this `seed`.

    Conventions: a pure function of its arguments, so a resumed run needs no generator state. Images that fill no
        whole batch are left out of this epoch; fewer images than a batch make one batch of them all. Shifts are
        uniform on -crop_px..crop_px; the border is reflected without repeating the edge (numpy's "reflect"). The
        blank square's centre is uniform over the image, so that part of it may fall outside.
    Source: the blank square: DeVries & Taylor 2017, arXiv:1708.04552 (Cutout).
    """
    height, width = image_size
    batch_size = min(batch_size, num_images)
    steps = num_images // batch_size
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(num_images)[: steps * batch_size].reshape(steps, batch_size)
    shifts = rng.integers(-augment.crop_px, augment.crop_px, size=(2, steps, batch_size, 1), endpoint=True)
    flips = rng.random((steps, batch_size, 1)) < (0.5 if augment.flip else 0.0)
    rows, columns = np.arange(height), np.arange(width)
    dropout_seeds = rng.integers(2**31, size=steps)
    top, left = (rng.integers(side, size=(steps, batch_size, 1)) - augment.cutout_px // 2 for side in (height, width))
    return EpochPlan(
        order=order,
        rows=reflected(rows + shifts[0], height),
        columns=reflected(np.where(flips, columns[::-1], columns) + shifts[1], width),
        dropout_seeds=dropout_seeds,
        blank_rows=(rows >= top) & (rows < top + augment.cutout_px),
        blank_columns=(columns >= left) & (columns < left + augment.cutout_px),
    )


def reflected(index: Array, size: int) -> Array:
    """Fold indices outside 0..size-1 back, mirrored at the first and last pixel; int16."""
    period = max(2 * (size - 1), 1)
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded if size > 1 else 0).astype(np.int16)


def dropout_scale(seed: int, shape: tuple[int, ...], rate: float) -> Array:
    """What dropout multiplies features with: 0 for the dropped, 1 / (1 - rate) for the kept; float32.

    Source: Srivastava et al. 2014, JMLR 15, in its "inverted" form (section 10).
    """
    kept = np.random.default_rng(seed).random(shape, dtype=np.float32) >= rate
    return kept.astype(np.float32) / np.float32(1 - rate)
