"""Medians, ratios formed within rounds, and bootstrap intervals over blocks."""

import functools
import math
import random
import statistics

RESAMPLES = 10_000


def median(values):
    return statistics.median(values)


@functools.lru_cache(maxsize=None)
def _middles(count):
    """Which two of so many sorted values are in the middle of each resample; the same each time, so
    that the same blocks give the same interval."""
    rng = random.Random(1)
    draws = (sorted(rng.choices(range(count), k=count)) for _ in range(RESAMPLES))
    return [(draw[(count - 1) // 2], draw[count // 2]) for draw in draws]


def interval(values, share=0.95):
    """Percentile-bootstrap interval of the median over blocks. One block gives a point."""
    ranked = sorted(values)
    medians = sorted((ranked[i] + ranked[j]) / 2 for i, j in _middles(len(ranked)))
    low = int((1 - share) / 2 * RESAMPLES)
    return medians[low], medians[RESAMPLES - 1 - low]


def ratio(numerators, denominators):
    """Median ratio of paired blocks with its interval: (ratio, low, high). Formed on logarithms, so
    that a/b and b/a agree."""
    logs = [math.log(a / b) for a, b in zip(numerators, denominators)]
    low, high = interval(logs)
    return math.exp(median(logs)), math.exp(low), math.exp(high)
