"""Chance, drawn once: what one epoch shuffles, crops, flips and drops, as small arrays. Engines only apply it.

Axes: S steps, B batch, H W image, P Q a shrunk image.
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
        box_rows: (S, B, H), box_columns: (S, B, W), bool: where both are true, another image's pixels stand, or none.
        partners: (S, B) int64: whose; the place in the batch of the image, varied as it is itself, that fills the
            box. -1: the mean colour fills it.
    size_px: height and width that images are shrunk to at last; None leaves them as they are.
    """

    order: Array
    rows: Array
    columns: Array
    dropout_seeds: Array
    box_rows: Array
    box_columns: Array
    partners: Array
    size_px: int | None = None

    @property
    def has_boxes(self) -> bool:
        return bool(self.box_rows.any())

    def partner_shares(self, step: int) -> Array:
        """(B,) float32: how much of every image, and so of its label, is its partner's at a step."""
        shares = self.box_rows[step].mean(axis=1) * self.box_columns[step].mean(axis=1)
        return np.where(self.partners[step] >= 0, shares, 0).astype(np.float32)


def draw_epoch_plan(
    augment: AugmentConfig,
    *,
    num_images: int,
    image_size: tuple[int, int],
    batch_size: int,
    seed: int,
    epoch: int,
    num_epochs: int = 1,
    shares: Array | None = None,
) -> EpochPlan:
    """Decide epoch number `epoch` (from 1) of the `num_epochs` of the run with this `seed`.

    Shapes: shares: (num_images,), the chance of each image to be drawn, again and again; without them each is once.
    Conventions: a pure function of its arguments, so a resumed run needs no generator state. Images that fill no
        whole batch are left out of this epoch; fewer images than a batch make one batch of them all. Shifts are
        uniform on -crop_px..crop_px; the border is reflected without repeating the edge (numpy's "reflect"). The
        centre of a box is uniform over the image, so that part of it may fall outside. A share `cutmix` of the images
        has a box of sqrt(1 - m) times the image's sides, m uniform in [0, 1), with a partner drawn from a permutation
        of the batch; the others have a square of cutout_px with none. After `cutmix_until` of the epochs no image
        has a partner.
    Source: DeVries & Taylor 2017, arXiv:1708.04552 (Cutout); Yun et al. 2019, arXiv:1905.04899, section 3.1 (CutMix,
        here drawn image by image); He et al. 2019, arXiv:1909.09148 (last epochs without mixed images).
    """
    height, width = image_size
    steps, batch_size = steps_per_epoch(num_images, batch_size), min(batch_size, num_images)
    rng = np.random.default_rng([seed, epoch])
    drawn = rng.permutation(num_images) if shares is None else rng.choice(num_images, num_images, p=shares)
    order = drawn[: steps * batch_size].reshape(steps, batch_size)
    shifts = rng.integers(-augment.crop_px, augment.crop_px, size=(2, steps, batch_size, 1), endpoint=True)
    flips = rng.random((steps, batch_size, 1)) < (0.5 if augment.flip else 0.0)
    rows, columns = np.arange(height), np.arange(width)
    dropout_seeds = rng.integers(2**31, size=steps)
    centres = tuple(rng.integers(side, size=(steps, batch_size, 1)) for side in (height, width))
    boxes = [
        (places >= (first := centre - augment.cutout_px // 2)) & (places < first + augment.cutout_px)
        for places, centre in zip((rows, columns), centres, strict=True)
    ]
    partners = np.full((steps, batch_size), -1)
    if augment.cutmix and epoch <= augment.cutmix_until * num_epochs:
        mixed = rng.random((steps, batch_size, 1)) < augment.cutmix
        scale = np.sqrt(1 - rng.random((steps, batch_size, 1)))
        for axis, (places, side) in enumerate(((rows, height), (columns, width))):
            inside = np.abs(places - centres[axis]) < scale * side / 2
            boxes[axis] = np.where(mixed, inside, boxes[axis])
        others = rng.permuted(np.tile(np.arange(batch_size), (steps, 1)), axis=1)
        partners = np.where(mixed[..., 0], others, -1)
    return EpochPlan(
        order=order,
        rows=reflected(rows + shifts[0], height),
        columns=reflected(np.where(flips, columns[::-1], columns) + shifts[1], width),
        dropout_seeds=dropout_seeds,
        box_rows=boxes[0],
        box_columns=boxes[1],
        partners=partners,
        size_px=size_px(augment, epoch=epoch, num_epochs=num_epochs),
    )


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Whole batches of an epoch; at least one, of all images where they are fewer than a batch."""
    return max(1, num_images // batch_size)


def size_px(augment: AugmentConfig, *, epoch: int, num_epochs: int) -> int | None:
    """What images are shrunk to in epoch number `epoch` (from 1); None where they are left whole."""
    return next((part.pixels for part in augment.shrink if epoch <= part.until * num_epochs), None)


def shrinking(size: int, smaller: int) -> Array:
    """The matrix that shrinks an axis of pixels by averaging: rows of weights that sum to 1.

        small = shrinking(H, P) @ image @ shrinking(W, Q).T

    Shapes: returns (smaller, size) float32.
    Conventions: pixels are areas; a pixel that two of the shrunk image share counts for each in proportion.
    """
    edges = np.arange(smaller + 1) * (size / smaller)
    places = np.arange(size)
    overlap = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    return (np.maximum(overlap, 0) * (smaller / size)).astype(np.float32)


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
