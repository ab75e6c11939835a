"""Confidence intervals: of a share, and of the mean of a small number of differences between runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, cos, pi, sin, sqrt

import numpy as np


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over n differences, and its interval; low and high are None without an estimate of the noise."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def contains_zero(self) -> bool | None:
        """Whether 0 is in the interval, so that no difference is detected; None without an interval."""
        return None if self.low is None or self.high is None else self.low <= 0 <= self.high


def binomial_interval(count: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share that was observed `count` times in `total`.

    Source: Clopper & Pearson 1934, Biometrika 26(4), the exact interval.
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return low, high


def t_interval(differences: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """The interval of the mean of paired differences.

        mean -+ t(n - 1) * s / sqrt(n)          s: their standard deviation, dividing by n - 1

    Conventions: a single difference gives a mean without an interval.
    Raises: ValueError: there is no difference.
    Source: Student 1908, Biometrika 6(1); for pairs of runs: Box, Hunter & Hunter 2005, section 3.2.
    """
    if not len(differences):
        raise ValueError("the mean of no differences is undefined")
    mean, n = float(np.mean(differences)), len(differences)
    if n == 1:
        return Interval(mean, None, None, 1)
    half = t_quantile((1 + confidence) / 2, n - 1) * float(np.std(differences, ddof=1)) / sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def known_noise_interval(
    differences: Sequence[float], *, deviation: float, degrees: int, confidence: float = 0.95
) -> Interval:
    """The interval of the mean of differences between two runs, given a separate estimate of the noise of one run.

        mean -+ t(degrees) * deviation * sqrt(2 / n)

    Conventions: deviation is the standard deviation of one run, estimated with `degrees` degrees of freedom.
    Source: Box, Hunter & Hunter 2005, Statistics for Experimenters, section 3.3 (pooled estimate).
    """
    mean, n = float(np.mean(differences)), len(differences)
    half = t_quantile((1 + confidence) / 2, degrees) * deviation * sqrt(2 / n)
    return Interval(mean, mean - half, mean + half, n)


def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution, by bisection to 1e-10.

    Raises: ValueError: probability outside (0, 1), or less than one degree of freedom.
    """
    if not 0 < probability < 1 or degrees < 1:
        raise ValueError(f"no t quantile for probability {probability} and {degrees} degrees of freedom")
    low, high = -1.0, 1.0
    while t_distribution(low, degrees) > probability:
        low *= 2
    while t_distribution(high, degrees) < probability:
        high *= 2
    while high - low > 1e-10 * max(1.0, abs(low)):
        middle = (low + high) / 2
        low, high = (middle, high) if t_distribution(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def t_distribution(t: float, degrees: int) -> float:
    """The cumulative distribution function of Student's t, a finite sum for integer degrees of freedom.

    Source: Abramowitz & Stegun 1964, eq. 26.7.3 (odd) and 26.7.4 (even): A(t|v) = P(|T| < t).
    """
    angle = atan(t / sqrt(degrees))
    term, total = (cos(angle), 0.0) if degrees % 2 else (1.0, 1.0)
    if degrees % 2:
        for k in range(1, degrees - 1, 2):
            total += term
            term *= cos(angle) ** 2 * (k + 1) / (k + 2)
        inside = 2 / pi * (angle + sin(angle) * total)
    else:
        for k in range(1, degrees - 1, 2):
            term *= cos(angle) ** 2 * k / (k + 1)
            total += term
        inside = sin(angle) * total
    return (1 + inside) / 2
