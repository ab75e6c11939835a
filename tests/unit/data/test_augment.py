"""The plan of an epoch."""

import numpy as np
import pytest

from treehead.config import AugmentConfig, ShrinkConfig
from treehead.data.augment import draw_epoch_plan, dropout_scale, reflected, shrinking


def plan(crop_px: int = 2, flip: bool = True, num: int = 50, batch: int = 8, seed: int = 3, epoch: int = 1):  # noqa: ANN201
    augment = AugmentConfig(crop_px=crop_px, flip=flip)
    return draw_epoch_plan(augment, num_images=num, image_size=(6, 5), batch_size=batch, seed=seed, epoch=epoch)


def test_reflection_by_hand() -> None:
    assert reflected(np.arange(-3, 8), 5).tolist() == [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]
    assert reflected(np.array([-2, 0, 1]), 1).tolist() == [0, 0, 0]


def test_reflection_is_that_of_numpy() -> None:
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


def test_a_plan_depends_only_on_seed_and_epoch() -> None:
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


def test_an_alternating_flip_mirrors_each_image_in_every_second_epoch() -> None:
    augment = AugmentConfig(crop_px=0, alternating_flip=True)
    flipped = np.empty((4, 400), bool)
    for epoch in range(1, 5):
        drawn = draw_epoch_plan(augment, num_images=400, image_size=(6, 5), batch_size=50, seed=3, epoch=epoch)
        is_mirrored = (drawn.columns == np.arange(5)[::-1]).all(axis=-1)
        assert (is_mirrored | (drawn.columns == np.arange(5)).all(axis=-1)).all()
        flipped[epoch - 1, drawn.order] = is_mirrored
    assert (flipped[0] == flipped[2]).all()
    assert (flipped[0] != flipped[1]).all()
    assert (flipped[1] == flipped[3]).all()
    assert 0.4 < flipped[0].mean() < 0.6


def test_an_alternating_flip_keeps_the_crop_and_needs_flip() -> None:
    drawn = [
        draw_epoch_plan(augment, num_images=80, image_size=(6, 5), batch_size=8, seed=3, epoch=2)
        for augment in (
            AugmentConfig(crop_px=2, flip=False, alternating_flip=True),
            AugmentConfig(crop_px=2, flip=False),
        )
    ]
    np.testing.assert_array_equal(drawn[0].columns, drawn[1].columns)
    both = draw_epoch_plan(
        AugmentConfig(crop_px=2, alternating_flip=True), num_images=80, image_size=(6, 5), batch_size=8, seed=3, epoch=2
    )
    np.testing.assert_array_equal(np.sort(both.columns, axis=-1), np.sort(drawn[1].columns, axis=-1))


def test_cutout_squares_have_their_size_and_any_position() -> None:
    drawn = draw_epoch_plan(
        AugmentConfig(cutout_px=2), num_images=500, image_size=(6, 5), batch_size=50, seed=0, epoch=1
    )
    assert set(drawn.box_rows.sum(axis=-1).ravel().tolist()) == {1, 2}  # 1 where it is partly outside
    assert drawn.box_rows.any(axis=(0, 1)).all()
    assert drawn.box_columns.any(axis=(0, 1)).all()
    assert not plan().box_rows.any()


def test_dropout_keeps_the_mean() -> None:
    scale = dropout_scale(1, (200, 200), 0.25)
    assert set(np.unique(scale).tolist()) == {0.0, float(np.float32(1) / np.float32(0.75))}
    assert abs(scale.mean() - 1) < 0.02
    assert (scale == dropout_scale(1, (200, 200), 0.25)).all()


def test_cutmix_boxes_are_as_large_as_the_share_of_the_partner() -> None:
    drawn = draw_epoch_plan(
        AugmentConfig(cutmix=0.5, crop_px=0), num_images=4000, image_size=(32, 32), batch_size=100, seed=0, epoch=1
    )
    mixed = drawn.partners >= 0
    assert 0.45 < mixed.mean() < 0.55
    assert not drawn.box_rows[~mixed].any()
    shares = np.stack([drawn.partner_shares(step) for step in range(len(drawn.order))])
    boxes = drawn.box_rows[..., :, None] & drawn.box_columns[..., None, :]
    np.testing.assert_allclose(shares, boxes.mean(axis=(2, 3)) * mixed, atol=1e-6)
    assert 0.3 < shares[mixed].mean() < 0.5  # half the image on average, minus what is outside


@pytest.mark.parametrize(("epoch", "mixes"), [(1, True), (8, True), (9, False), (10, False)])
def test_the_last_epochs_can_be_without_cutmix(epoch: int, mixes: bool) -> None:
    augment = AugmentConfig(cutmix=0.5, cutmix_until=0.8)
    drawn = draw_epoch_plan(
        augment, num_images=40, image_size=(8, 8), batch_size=20, seed=0, epoch=epoch, num_epochs=10
    )
    assert (drawn.partners >= 0).any() == mixes


def test_cutout_has_no_partner() -> None:
    drawn = draw_epoch_plan(AugmentConfig(cutout_px=3), num_images=50, image_size=(6, 5), batch_size=8, seed=0, epoch=1)
    assert drawn.has_boxes
    assert (drawn.partner_shares(0) == 0).all()
    assert not plan().has_boxes


@pytest.mark.parametrize(("epoch", "size"), [(1, 20), (3, 20), (4, 24), (6, 24), (7, None), (10, None)])
def test_early_epochs_are_smaller(epoch: int, size: int | None) -> None:
    shrink = (ShrinkConfig(until=0.3, pixels=20), ShrinkConfig(until=0.6, pixels=24))
    augment = AugmentConfig(shrink=shrink)
    drawn = draw_epoch_plan(
        augment, num_images=8, image_size=(32, 32), batch_size=4, seed=0, epoch=epoch, num_epochs=10
    )
    assert drawn.size_px == size


def test_shrinking_averages_areas() -> None:
    assert shrinking(4, 2).tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    np.testing.assert_allclose(shrinking(3, 2), np.array([[2, 1, 0], [0, 1, 2]]) / 3, atol=1e-7)
    np.testing.assert_allclose(shrinking(32, 20).sum(axis=1), 1, atol=1e-6)


def test_shares_draw_with_replacement() -> None:
    shares = np.array([0.5, *[0.5 / 999] * 999])
    drawn = draw_epoch_plan(
        AugmentConfig(), num_images=1000, image_size=(4, 4), batch_size=10, seed=0, epoch=1, shares=shares
    )
    assert drawn.order.shape == (100, 10)
    assert 430 < (drawn.order == 0).sum() < 570  # 500, plus or minus four standard deviations
