"""Medians, ratios formed within rounds, and bootstrap intervals over blocks."""

import math
import random
import statistics

RESAMPLES = 10_000


def median(values):
    return statistics.median(values)


def interval(values, share=0.95):
    """Percentile-bootstrap interval of the median over blocks. One block gives a point."""
    rng = random.Random(1)  # the same blocks give the same interval
    medians = sorted(median(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low = int((1 - share) / 2 * RESAMPLES)
    return medians[low], medians[RESAMPLES - 1 - low]


def ratio(numerators, denominators):
    """Median ratio of paired blocks with its interval: (ratio, low, high). Formed on logarithms, so
    that a/b and b/a agree."""
    logs = [math.log(a / b) for a, b in zip(numerators, denominators)]
    low, high = interval(logs)
    return math.exp(median(logs)), math.exp(low), math.exp(high)


def differs(low, high):
    """Is a difference claimed? Only if the ratio's interval excludes 1."""
    return low > 1 or high < 1
