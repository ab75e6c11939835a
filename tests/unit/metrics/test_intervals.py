"""Confidence intervals of small samples, against printed tables and by hand."""

from math import sqrt

import pytest

from treehead.metrics.intervals import Interval, known_noise_interval, t_distribution, t_interval, t_quantile


@pytest.mark.parametrize(
    ("degrees", "t"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (7, 2.3646), (10, 2.2281), (30, 2.0423)],
)
def test_quantiles_match_printed_tables(degrees: int, t: float) -> None:
    """The 97.5 % column of any printed table of Student's distribution."""
    assert t_quantile(0.975, degrees) == pytest.approx(t, abs=5e-5)
    assert t_quantile(0.025, degrees) == pytest.approx(-t, abs=5e-5)
    assert t_distribution(t, degrees) == pytest.approx(0.975, abs=1e-5)


def test_one_degree_of_freedom_is_the_cauchy_distribution() -> None:
    """arctan(1) / pi + 1/2 = 3/4."""
    assert t_distribution(1.0, 1) == pytest.approx(0.75)
    assert t_quantile(0.75, 1) == pytest.approx(1.0)


def test_the_interval_of_three_differences() -> None:
    """1, 2, 3: mean 2, deviation 1, t(2) = 4.3027."""
    interval = t_interval([1, 2, 3])
    assert (interval.mean, interval.n) == (2, 3)
    assert interval.low == pytest.approx(2 - 4.3027 / sqrt(3), abs=1e-4)
    assert interval.high == pytest.approx(2 + 4.3027 / sqrt(3), abs=1e-4)
    assert interval.contains_zero
    assert t_interval([11, 12, 13]).contains_zero is False


def test_one_difference_has_no_interval() -> None:
    assert t_interval([0.5]) == Interval(0.5, None, None, 1)
    assert t_interval([0.5]).contains_zero is None
    with pytest.raises(ValueError, match="no differences"):
        t_interval([])


def test_known_noise_gives_a_single_difference_an_interval() -> None:
    """Deviation 1 of one run, so sqrt(2) of a difference; t(3) = 3.1824."""
    interval = known_noise_interval([5.0], deviation=1, degrees=3)
    assert interval.low == pytest.approx(5 - 3.1824 * sqrt(2), abs=1e-4)
    assert interval.high == pytest.approx(5 + 3.1824 * sqrt(2), abs=1e-4)


@pytest.mark.parametrize(("probability", "degrees"), [(0.0, 3), (1.0, 3), (0.5, 0)])
def test_impossible_quantiles_raise(probability: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="no t quantile for"):
        t_quantile(probability, degrees)
