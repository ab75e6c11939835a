"""The schedule of a run, computed by hand."""

import numpy as np
import pytest

from treehead.config import (
    AugmentConfig,
    CrossEntropyConfig,
    RunConfig,
    SamConfig,
    ScheduleConfig,
    ShrinkConfig,
    changed,
)
from treehead.data.dataset import Images
from treehead.training.schedule import build_schedule, epoch_costs, learning_rates, level_weights, sam_radii


def test_a_linear_schedule_by_hand() -> None:
    rates = learning_rates(ScheduleConfig(warmup=0.4), peak=1.0, num_steps=5)
    np.testing.assert_allclose(rates, [0.5, 1.0, 1.0, 2 / 3, 1 / 3])


def test_a_cosine_schedule_by_hand() -> None:
    rates = learning_rates(ScheduleConfig(warmup=0, decay="cosine"), peak=2.0, num_steps=4)
    np.testing.assert_allclose(rates, [2.0, 1 + np.sqrt(0.5), 1.0, 1 - np.sqrt(0.5)])


@pytest.mark.parametrize("decay", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 0.99])
def test_rates_climb_to_the_peak_and_never_reach_zero(decay: str, warmup: float) -> None:
    schedule = ScheduleConfig.model_validate({"warmup": warmup, "decay": decay})
    rates = learning_rates(schedule, peak=0.1, num_steps=100)
    assert rates.shape == (100,)
    assert rates.max() == pytest.approx(0.1)
    assert rates.min() > 0
    assert (np.diff(rates[: round(warmup * 100)]) > 0).all()


def test_level_weights_are_interpolated_linearly() -> None:
    loss = CrossEntropyConfig(level_weights=(1.0, 0.4), final_level_weights=(1.0, 0.0))
    np.testing.assert_allclose(level_weights(loss, num_levels=2, num_epochs=3), [[1, 0.4], [1, 0.2], [1, 0]])
    assert level_weights(loss, num_levels=2, num_epochs=1).tolist() == [[1, 0.4]]


def test_the_last_level_weight_continues() -> None:
    loss = CrossEntropyConfig(level_weights=(1.0, 0.5), final_level_weights=(1.0, 0.0))
    assert level_weights(loss, num_levels=3, num_epochs=2).tolist() == [[1, 0.5, 0.5], [1, 0, 0]]
    assert level_weights(CrossEntropyConfig(level_weights=()), num_levels=2, num_epochs=1).tolist() == [[1, 1]]


def test_the_sam_radius_is_zero_until_it_begins() -> None:
    assert sam_radii(SamConfig(radius=0.1, begin=0.6), num_epochs=5).tolist() == [0, 0, 0, 0.1, 0.1]
    assert sam_radii(SamConfig(radius=0.1, begin=0), num_epochs=2).tolist() == [0.1, 0.1]
    assert sam_radii(SamConfig(begin=0), num_epochs=2).tolist() == [0, 0]


def test_small_images_cost_less_and_sam_twice_as_much() -> None:
    augment = AugmentConfig(shrink=(ShrinkConfig(until=0.25, pixels=8), ShrinkConfig(until=0.5, pixels=12)))
    costs = epoch_costs(augment, np.array([0, 0.1, 0, 0.1]), image_size=(16, 20))
    assert costs.tolist() == [64, 2 * 144, 320, 640]
    assert epoch_costs(AugmentConfig(), np.zeros(2), image_size=(16, 20)).tolist() == [320, 320]


CONFIG = changed(
    RunConfig(),
    {
        "train.epochs": 4,
        "train.batch_size": 10,
        "loss.level_weights": [1.0, 0.4],
        "sam": {"radius": 0.1, "begin": 0.5},
    },
)
IMAGES = Images(np.zeros((25, 3, 8, 8), np.uint8), np.stack([np.arange(25) % 3, np.zeros(25, np.int64)], axis=1))


def test_every_epoch_of_a_schedule() -> None:
    schedule = build_schedule(CONFIG, IMAGES, num_levels=2)
    epochs = [schedule.epoch(number) for number in (1, 2, 3, 4)]
    rates = np.concatenate([epoch.learning_rates for epoch in epochs])
    np.testing.assert_array_equal(rates, learning_rates(CONFIG.schedule, peak=3e-3, num_steps=8))
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    assert [epoch.plan.order.shape for epoch in epochs] == [(2, 10)] * 4
    assert [epoch.sam_radius for epoch in epochs] == [0, 0, 0.1, 0.1]
    assert [epoch.epochs_left for epoch in epochs] == [5, 4, 1, 0]
    assert [epoch.level_weights.tolist() for epoch in epochs] == [[1, 0.4]] * 4
    again = build_schedule(CONFIG, IMAGES, num_levels=2).epoch(3)
    assert (again.plan.order == epochs[2].plan.order).all(), "an epoch does not depend on those before it"


def test_fewer_images_than_a_batch_make_one_step() -> None:
    epoch = build_schedule(changed(CONFIG, {"train.batch_size": 64}), IMAGES, num_levels=2).epoch(1)
    assert (epoch.plan.order.shape, epoch.learning_rates.shape) == ((1, 25), (1,))


def test_balanced_sampling_draws_rare_classes_more_often() -> None:
    labels = np.array([[0, 0]] * 90 + [[1, 0]] * 10)
    images = Images(np.zeros((100, 3, 8, 8), np.uint8), labels)
    plan = build_schedule(changed(CONFIG, {"data.balance": "sampling"}), images, num_levels=2).epoch(1).plan
    assert 30 < labels[plan.order.ravel(), 0].sum() < 70
