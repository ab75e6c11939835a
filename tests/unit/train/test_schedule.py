"""What changes while a run trains, by hand."""

import numpy as np
import pytest

from treehead.config import AugmentConfig, ScheduleConfig, SharpnessConfig, ShrinkConfig
from treehead.train.schedule import epoch_costs, learning_rates, level_weights, radii


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


def test_level_weights_go_in_a_line() -> None:
    weights = level_weights(np.array([1.0, 0.4]), np.array([1.0, 0.0]), num_epochs=3)
    np.testing.assert_allclose(weights, [[1, 0.4], [1, 0.2], [1, 0]])
    assert level_weights(np.ones(2), np.zeros(2), num_epochs=1).tolist() == [[1, 1]]


def test_the_radius_is_nothing_until_it_begins() -> None:
    assert radii(SharpnessConfig(radius=0.1, begin=0.6), num_epochs=5).tolist() == [0, 0, 0, 0.1, 0.1]
    assert radii(SharpnessConfig(radius=0.1, begin=0), num_epochs=2).tolist() == [0.1, 0.1]
    assert radii(SharpnessConfig(begin=0), num_epochs=2).tolist() == [0, 0]


def test_small_images_cost_less_and_sharpness_aware_steps_twice() -> None:
    augment = AugmentConfig(shrink=(ShrinkConfig(until=0.25, pixels=8), ShrinkConfig(until=0.5, pixels=12)))
    costs = epoch_costs(augment, np.array([0, 0.1, 0, 0.1]), image_size=(16, 20))
    assert costs.tolist() == [64, 2 * 144, 320, 640]
    assert epoch_costs(AugmentConfig(), np.zeros(2), image_size=(16, 20)).tolist() == [320, 320]
