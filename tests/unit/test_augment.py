"""What an epoch's plan decides."""

import numpy as np

from treehead.config import AugmentConfig
from treehead.data.augment import draw_epoch_plan, dropout_scale, reflected


def plan(crop_px: int = 2, flip: bool = True, num: int = 50, batch: int = 8, seed: int = 3, epoch: int = 1):  # noqa: ANN201
    augment = AugmentConfig(crop_px=crop_px, flip=flip)
    return draw_epoch_plan(augment, num_images=num, image_size=(6, 5), batch_size=batch, seed=seed, epoch=epoch)


def test_reflection_by_hand() -> None:
    assert reflected(np.arange(-3, 8), 5).tolist() == [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]
    assert reflected(np.array([-2, 0, 1]), 1).tolist() == [0, 0, 0]


def test_reflection_is_numpys() -> None:
    row = np.arange(9)
    assert (row[reflected(np.arange(-4, 13), 9)] == np.pad(row, 4, mode="reflect")).all()


def test_every_image_is_seen_at_most_once_in_whole_batches() -> None:
    drawn = plan()
    assert drawn.order.shape == (6, 8)
    assert len(np.unique(drawn.order)) == 48
    assert drawn.rows.shape == (6, 8, 6)
    assert drawn.columns.shape == (6, 8, 5)


def test_fewer_images_than_a_batch_make_one_batch() -> None:
    assert plan(num=5).order.shape == (1, 5)


def test_the_same_epoch_is_drawn_again_and_the_next_is_another() -> None:
    assert (plan().order == plan().order).all()
    assert (plan().order != plan(epoch=2).order).any()
    assert (plan().order != plan(seed=4).order).any()


def test_without_crop_and_flip_pixels_stay_in_place() -> None:
    drawn = plan(crop_px=0, flip=False)
    assert (drawn.rows == np.arange(6)).all()
    assert (drawn.columns == np.arange(5)).all()


def test_about_half_are_flipped_and_shifts_reach_both_ends() -> None:
    drawn = plan(num=4000, batch=100, crop_px=1)
    flipped = drawn.columns[..., 3] < drawn.columns[..., 1]
    assert 0.45 < flipped.mean() < 0.55
    assert set(drawn.rows[..., 2].ravel().tolist()) == {1, 2, 3}


def test_the_blank_square_has_its_size_and_moves() -> None:
    drawn = draw_epoch_plan(
        AugmentConfig(cutout_px=2), num_images=500, image_size=(6, 5), batch_size=50, seed=0, epoch=1
    )
    assert set(drawn.box_rows.sum(axis=-1).ravel().tolist()) == {1, 2}  # 1 where it hangs over the edge
    assert drawn.box_rows.any(axis=(0, 1)).all()
    assert drawn.box_columns.any(axis=(0, 1)).all()
    assert not plan().box_rows.any()


def test_dropout_keeps_the_mean() -> None:
    scale = dropout_scale(1, (200, 200), 0.25)
    assert set(np.unique(scale).tolist()) == {0.0, float(np.float32(1) / np.float32(0.75))}
    assert abs(scale.mean() - 1) < 0.02
    assert (scale == dropout_scale(1, (200, 200), 0.25)).all()
