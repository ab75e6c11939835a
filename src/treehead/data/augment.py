"""The random choices of one epoch (order, crops, flips, boxes, dropout seeds), as small arrays that engines apply.

Axes: S steps, B batch, H W image, P Q a shrunk image.
"""

from dataclasses import dataclass

import numpy as np

from treehead.config import AugmentConfig
from treehead.types import Array


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """Every random choice of one epoch of training.

    Shapes:
        order: (S, B) int64: the index of the image at each place of each step's batch.
        rows: (S, B, H), columns: (S, B, W), int16: the source pixel of every pixel. Crop, reflected border and
            flip together: varied[b, :, i, j] = image[order[b], :, rows[b, i], columns[b, j]].
        dropout_seeds: (S,) int64.
        box_rows: (S, B, H), box_columns: (S, B, W), bool: the box, where both are true, is filled with the partner's
            pixels or with the mean colour.
        partners: (S, B) int64: the place in the batch of the image, varied in the same way as any other, whose
            pixels fill the box (CutMix); -1: the mean colour fills it (Cutout).
    size_px: height and width that images are shrunk to last; None: they keep their size.
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
        """(B,) float32: the share of each image's area, and so of its label, that comes from its partner."""
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
    """Draw the plan of epoch number `epoch` (from 1) of the `num_epochs` of a run with this `seed`.

    Shapes: shares: (num_images,): the probability of each image in draws with replacement; None: each image once.
    Conventions: a pure function of its arguments, so a resumed run needs no generator state. Images that do not fill
        a whole batch are left out of this epoch; fewer images than a batch are one batch. Shifts are
        uniform on -crop_px..crop_px; the border is reflected without repeating the edge (numpy's "reflect").
        With `alternating_flip`, an image is flipped in the even epochs or in the odd ones, as drawn once for the run.
        Boxes: see `_draw_boxes`; after `cutmix_until` of the epochs no image has a partner.
    Source: He et al. 2019, arXiv:1909.09148 (last epochs without mixed images).
    """
    rng = np.random.default_rng([seed, epoch])
    batch_size = min(batch_size, num_images)
    steps = steps_per_epoch(num_images, batch_size)
    drawn = rng.permutation(num_images) if shares is None else rng.choice(num_images, num_images, p=shares)
    order = drawn[: steps * batch_size].reshape(steps, batch_size)
    rows, columns = _draw_crops(rng, augment, image_size, order.shape)
    if augment.flip and augment.alternating_flip:
        first = np.random.default_rng([seed, 0, 1]).random(num_images) < 0.5  # of the first epoch
        columns = np.where((first ^ (epoch % 2 == 0))[order][..., None], columns[..., ::-1], columns)
    dropout_seeds = rng.integers(2**31, size=steps)
    cutmix = augment.cutmix if epoch <= augment.cutmix_until * num_epochs else 0.0
    box_rows, box_columns, partners = _draw_boxes(rng, augment.cutout_px, cutmix, image_size, order.shape)
    size = size_px(augment, epoch=epoch, num_epochs=num_epochs)
    return EpochPlan(order, rows, columns, dropout_seeds, box_rows, box_columns, partners, size)


def _draw_crops(
    rng: np.random.Generator, augment: AugmentConfig, image_size: tuple[int, int], shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """The source rows (S, B, H) and columns (S, B, W) of random crops and flips."""
    height, width = image_size
    shifts = rng.integers(-augment.crop_px, augment.crop_px, size=(2, *shape, 1), endpoint=True)
    flips = rng.random((*shape, 1)) < (0.5 if augment.flip and not augment.alternating_flip else 0.0)
    rows, columns = np.arange(height), np.arange(width)
    flipped = np.where(flips, columns[::-1], columns)
    return reflected(rows + shifts[0], height), reflected(flipped + shifts[1], width)


def _draw_boxes(
    rng: np.random.Generator, cutout_px: int, cutmix: float, image_size: tuple[int, int], shape: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """The boxes of Cutout and CutMix: masks of rows (S, B, H) and columns (S, B, W), and partners (S, B).

    Conventions: the centre of a box is uniform over the image, so part of it may be outside. A share `cutmix` of the
        images has a box of sqrt(1 - m) times the image's sides, m uniform in [0, 1), and a partner drawn from a
        permutation of the batch; the others have a square of cutout_px and no partner.
    Source: DeVries & Taylor 2017, arXiv:1708.04552 (Cutout); Yun et al. 2019, arXiv:1905.04899, section 3.1 (CutMix,
        but drawn for each image).
    """
    steps, batch_size = shape
    centres = [rng.integers(side, size=(*shape, 1)) for side in image_size]
    starts = [centre - cutout_px // 2 for centre in centres]
    stops = [start + cutout_px for start in starts]
    partners = np.full(shape, -1)
    if cutmix:
        mixed = rng.random((*shape, 1)) < cutmix
        scale = np.sqrt(1 - rng.random((*shape, 1)))
        halves = [scale * side / 2 for side in image_size]
        starts = [np.where(mixed, c - half, start) for c, half, start in zip(centres, halves, starts, strict=True)]
        stops = [np.where(mixed, c + half, stop) for c, half, stop in zip(centres, halves, stops, strict=True)]
        others = rng.permuted(np.tile(np.arange(batch_size), (steps, 1)), axis=1)
        partners = np.where(mixed[..., 0], others, -1)
    box_rows, box_columns = map(_interval_mask, image_size, starts, stops)
    return box_rows, box_columns, partners


def _interval_mask(size: int, start: Array, stop: Array) -> Array:
    """(..., size) bool: whether start <= pixel < stop. Shapes: start, stop: (..., 1)."""
    pixels = np.arange(size)
    return (pixels >= start) & (pixels < stop)


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Whole batches of an epoch; at least one, of all images where they are fewer than a batch."""
    return max(1, num_images // batch_size)


def size_px(augment: AugmentConfig, *, epoch: int, num_epochs: int) -> int | None:
    """The size that images are shrunk to in epoch number `epoch` (from 1); None: they keep their size."""
    return next((part.pixels for part in augment.shrink if epoch <= part.until * num_epochs), None)


def shrinking(size: int, smaller: int) -> Array:
    """The matrix that shrinks an axis by averaging pixels: rows of weights that sum to 1 (area interpolation).

        small = shrinking(H, P) @ image @ shrinking(W, Q).T

    Shapes: returns (smaller, size) float32.
    Conventions: a pixel that overlaps two pixels of the shrunk image counts for each in proportion to the overlap.
    """
    edges = np.arange(smaller + 1) * (size / smaller)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(overlap, 0) * (smaller / size)).astype(np.float32)


def reflected(index: Array, size: int) -> Array:
    """Indices outside 0..size-1 reflected at the first and last pixel; int16."""
    period = max(2 * (size - 1), 1)
    folded = np.abs(index) % period
    return np.minimum(folded, period - folded if size > 1 else 0).astype(np.int16)


def dropout_scale(seed: int, shape: tuple[int, ...], rate: float) -> Array:
    """The factors that dropout multiplies features with: 0 for the dropped, 1 / (1 - rate) for the others; float32.

    Source: Srivastava et al. 2014, JMLR 15, in its "inverted" form (section 10).
    """
    kept = np.random.default_rng(seed).random(shape, dtype=np.float32) >= rate
    return kept.astype(np.float32) / np.float32(1 - rate)
