"""Scores of answers, each with its interval over persons: recalls of classes, and concordance."""

from __future__ import annotations

import numpy as np

from benchmarks.protocols.clip_codes import Array
from benchmarks.protocols.persons import ratio_interval, resampled_sums

Interval = tuple[float, float]


def pooled_recall(answers: list[tuple[Array, Array]], person: Array) -> tuple[float, Interval]:
    """The mean recall over all classes of some labels, in percent: balanced accuracy of one label.

    Args:
        answers: predicted and true classes (n,) of each label, of the same n samples.
        person: (n,), who each sample is of.
    """
    right, members = [], []
    for predicted, wanted in answers:
        inside = np.unique(wanted)[None] == wanted[:, None]
        members.append(inside)
        right.append(100.0 * inside * (predicted == wanted)[:, None])
    hits, counts = np.concatenate(right, 1), np.concatenate(members, 1)
    recall = float((hits.sum(0) / counts.sum(0)).mean())
    return recall, ratio_interval(hits, counts, person)


def concordance(predicted: Array, wanted: Array) -> float:
    """Lin's concordance correlation of numbers (n,), -1 to 1: also offset and scale count.

    It is the measure of Aff-Wild (Kollias et al. 2018). A constant has none, 0: there torchmetrics
    would give NaN.
    """
    return float(_concordances(_moments(predicted, wanted).sum(0)))


def concordance_interval(predicted: Array, wanted: Array, person: Array) -> Interval:
    """95 % percentile interval of the concordance, when persons are drawn."""
    found = _concordances(resampled_sums(_moments(predicted, wanted), person))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _moments(predicted: Array, wanted: Array) -> Array:
    one, other = (np.asarray(each, np.float64) for each in (predicted, wanted))
    return np.stack([np.ones_like(one), one, other, one**2, other**2, one * other], 1)


def _concordances(sums: Array) -> Array:
    """2 cov(x, y) / (var x + var y + (mean x - mean y)^2) of sums (..., 6) of `_moments`."""
    count, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    x, y = x / count, y / count
    spread = xx / count - x**2 + yy / count - y**2 + (x - y) ** 2
    together = 2 * (xy / count - x * y)
    found: Array = np.divide(together, spread, out=np.zeros_like(spread), where=spread > 1e-12)
    return found
