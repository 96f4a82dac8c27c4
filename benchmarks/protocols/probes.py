"""What simple probes read from either code of clips: labels that belong there, and leaks.

Probes are fitted on clips of ``train`` and scored on those of ``test``, whose characters, digits or
persons are others; who it is, is told from other sequences of the persons of ``test``, in five
folds. Labels of clips are read from the mean of a code over time, labels of frames from the code of
the frame.

* ``probe_CODE_LABEL`` is linear: a discriminant with one covariance, shrunk by Ledoit and Wolf's
  rule (balanced accuracy), or a ridge regression (share of variance, or concordance). A set of
  digits is the likeliest ones by a ridge regression; the share of them that are there.
* ``near_CODE_LABEL`` reads labels of frames from the five nearest of 4,096 fitted ones: poses may
  lie on two dimensions in good order without being linear in them.

``probe_chance_LABEL`` is what a probe without any knowledge would reach.

*What* of a method that gives one code a clip, the same for all frames, can tell no label of single
frames beyond what is common to the clip: that leak says something where clips differ (actions,
positions), and is at chance by construction where each holds the same poses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from benchmarks.protocols.agreement import concordance, concordance_interval, pooled_recall
from benchmarks.protocols.clip_codes import Array
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.protocols.leakage import asked, discriminant, regression
from benchmarks.protocols.persons import ratio_interval
from benchmarks.protocols.sequence_codes import Gathered
from benchmarks.protocols.sequence_labels import (
    ATTRIBUTES,
    TARGETS,
    Kind,
    known,
    likeliest,
    members,
    shared,
)

NEIGHBOURS: Final = 5
NEAR: Final = 4096
"""Frames that neighbours are sought among, and for, at most."""
IDENTITY: Final = "identity"

Interval = tuple[float, float]


class Samples(NamedTuple):
    """Codes (n, D), a label (n, ...) and persons (n,) of clips or of frames."""

    code: Array
    label: Array
    person: Array


def score_probes(train: Gathered, test: Gathered) -> ProtocolResult:
    """All numbers of the probes; none where the dataset has no label that is asked for."""
    metrics: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    fitted, scored = known(train.labels), known(test.labels)
    for metric, value, interval in _chances(scored):
        metrics[metric], intervals[metric] = value, interval
    for side in ("where", "what"):
        if side not in test.codes:
            continue
        if side == "what" and test.entangled:
            copied = {key.replace("_where_", "_what_"): key for key in metrics if "_where_" in key}
            metrics |= {new: metrics[old] for new, old in copied.items()}
            intervals |= {new: intervals[old] for new, old in copied.items()}
            continue
        train_code, test_code = (each.codes[side].double().cpu().numpy() for each in (train, test))
        recalls = []
        for name in scored:
            kind = TARGETS[name].kind
            fit = _samples(train_code, fitted[name], train.person)
            seen = _samples(test_code, scored[name], test.person)
            predicted = _linear(fit, seen, kind)
            if name in ATTRIBUTES:
                recalls.append((predicted, seen.label))
                continue
            metric = f"probe_{side}_{name}"
            metrics[metric], intervals[metric] = _measured(predicted, seen, kind)
            if len(seen.label) > len(test.frames):
                fit, seen = _few(fit), _few(seen)
                metric = f"near_{side}_{name}"
                predicted = _nearest(fit, seen, kind)
                metrics[metric], intervals[metric] = _measured(predicted, seen, kind)
        if recalls:
            metric = f"probe_{side}_attributes"
            metrics[metric], intervals[metric] = pooled_recall(recalls, test.person)
        told = _who(test_code.mean(1), test)
        if told is not None:
            metric = f"probe_{side}_{IDENTITY}"
            metrics[f"probe_chance_{IDENTITY}"], metrics[metric], intervals[metric] = told
    return ProtocolResult(metrics, intervals)


def _chances(labels: dict[str, Array]) -> Iterator[tuple[str, float, Interval]]:
    """What is reached without knowledge, of every label."""
    for name, value in labels.items():
        kind = TARGETS[name].kind
        classes = len(np.unique(value))
        chance = {"class": 100 / classes, "set": 100 * value.shape[-1] / classes}.get(kind, 0.0)
        if name in ATTRIBUTES[1:]:
            continue
        asked_for = "attributes" if name in ATTRIBUTES else name
        yield f"probe_chance_{asked_for}", chance, (chance, chance)


def _samples(code: Array, label: Array, person: Array) -> Samples:
    """Frames (N T, ...) where the label is of frames, else clips with their mean code."""
    count, frames = code.shape[:2]
    if label.ndim == 1 or label.shape[1] != frames:
        return Samples(code.mean(1), label, person)
    return Samples(
        code.reshape(count * frames, -1),
        label.reshape(count * frames, *label.shape[2:]),
        np.repeat(person, frames),
    )


def _standardised(train: Array, test: Array) -> tuple[Array, Array]:
    """Codes by mean and deviation of the fitted ones; what is constant becomes zero."""
    mean, deviation = train.mean(0), train.std(0)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6)
    return (train - mean) * scale, (test - mean) * scale


def _linear(train: Samples, test: Samples, kind: Kind) -> Array:
    """What a linear probe says of ``test``."""
    fit, seen = _standardised(train.code, test.code)
    if kind == "class":
        return discriminant(fit, train.label, seen)
    if kind == "set":
        classes = int(max(train.label.max(), test.label.max())) + 1
        scores = regression(fit, members(train.label, classes), seen)
        return likeliest(scores, test.label.shape[1])
    return regression(fit, train.label, seen)


def _nearest(train: Samples, test: Samples, kind: Kind) -> Array:
    """What the nearest neighbours say of ``test``."""
    fit, seen = _standardised(train.code, test.code)
    probe = KNeighborsClassifier if kind == "class" else KNeighborsRegressor
    nearest = probe(min(NEIGHBOURS, len(fit)), algorithm="brute")
    said: Array = nearest.fit(fit, train.label).predict(seen)
    return said


def _few(samples: Samples) -> Samples:
    """At most `NEAR` of them, at random, the same of every method."""
    rows = np.random.default_rng(0).permutation(len(samples.label))[:NEAR]
    return Samples(*(part[rows] for part in samples))


def _measured(predicted: Array, test: Samples, kind: Kind) -> tuple[float, Interval]:
    """Score and interval by the kind of label; in percent, but for concordance."""
    wanted, person = test.label, test.person
    if kind == "class":
        return pooled_recall([(predicted, wanted)], person)
    if kind == "set":
        right = 100 * shared(wanted, predicted)
        return float(right.mean()), ratio_interval(right, np.ones_like(right), person)
    if kind == "concordance":
        return concordance(predicted, wanted), concordance_interval(predicted, wanted, person)
    wrong, spread = np.square(predicted - wanted), np.square(wanted - wanted.mean(0))
    # A place that never changes has no variance to tell.
    told = spread.sum(0) > 1e-12
    low, high = ratio_interval(wrong[:, told], spread[:, told], person)
    share = 1 - (wrong[:, told].sum(0) / spread[:, told].sum(0)).mean()
    return 100 * float(share), (100 * (1 - high), 100 * (1 - low))


def _who(code: Array, test: Gathered) -> tuple[float, float, Interval] | None:
    """Whose clip it is, from the person's other sequences: chance, recall and interval.

    None where nobody has two sequences.
    """
    if "sequence" not in test.labels or IDENTITY not in test.labels:
        return None
    group = asked(IDENTITY, test.labels)
    if group is None:
        return None
    code, label = code[group.rows], test.labels[IDENTITY][group.rows]
    predicted = np.empty_like(label)
    for number in np.unique(group.fold).tolist():
        out = group.fold == number
        fit, seen = _standardised(code[~out], code[out])
        predicted[out] = discriminant(fit, label[~out], seen)
    recall, _ = pooled_recall([(predicted, label)], label)
    names, place = np.unique(label, return_inverse=True)
    right = 100 * np.bincount(place, predicted == label) / np.bincount(place)
    return 100 / len(names), recall, ratio_interval(right, np.ones_like(right), names)
