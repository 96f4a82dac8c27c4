"""What a linear probe reads of a label from either code: leaks of *where* and of *what*, version 1.

One protocol for every method with codes and every dataset with labels. Of split ``test``, in clips
where the dataset has them (then the mean of a code over time is read, and of the view), each of
identity, expression, view and illumination that the dataset knows is told from ``where`` and
``what``:

* classes by a linear discriminant with one covariance, shrunk by Ledoit and Wolf's rule, all
  classes held equally likely: balanced accuracy, whose chance is 100 over the number of classes;
* the view, in degrees, by ridge regression: the share of its variance, whose chance is 0.

Five folds. No person is fitted on and scored; the identity itself is told from other recordings of
the same persons (``sequence``, else ``session``, where half of the persons have two; else other
pictures). Samples without the label (negative numbers) are left out, and so are persons with a
single recording where the identity is asked for. Intervals draw whole persons.

A faithful split has identity and illumination in *what*, expression and view in *where*.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Final, NamedTuple

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import RidgeCV
from torch import Tensor

from benchmarks.metrics import LEAKS
from benchmarks.protocols.clip_codes import Array, Collected, as_clips, collect
from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.persons import ratio_interval
from benchmarks.protocols.recurrent import folds_by_person
from datamodules.interface import DataError, DataModule
from lightning_modules.interface import HasClipCodes, HasCodes, HasKeypoints, Method

VERSION: Final = 1
FOLDS: Final = 5
MEASURED: Final = ("view",)
"""Labels that are numbers; all others are names."""
_RECORDINGS: Final = ("sequence", "session")
_PENALTIES: Final = np.logspace(-2, 4, 13)


class Asked(NamedTuple):
    """Rows (n,) that a label is asked of, their fold (n,) and who (n,) each is of."""

    rows: Array
    fold: Array
    person: Array


def discriminant(train: Array, label: Array, test: Array) -> Array:
    """The class (M,) of rows ``test`` (M, D) by a linear discriminant of ``train`` (N, D)."""
    classes, place = np.unique(label, return_inverse=True)
    counts = np.bincount(place)[:, None]
    means = np.zeros((len(classes), train.shape[1]))
    np.add.at(means, place, train)
    means /= counts
    shared, _ = ledoit_wolf(train - means[place], assume_centered=True)
    # Codes that are constant have no covariance to divide by.
    weights = np.linalg.solve(shared + 1e-6 * np.eye(len(shared)), means.T)
    found: Array = classes[(test @ weights - (means.T * weights).sum(0) / 2).argmax(1)]
    return found


def regression(train: Array, wanted: Array, test: Array) -> Array:
    """Numbers (M,) of rows ``test`` (M, D) by a ridge regression fitted on ``train`` (N, D)."""
    found: Array = RidgeCV(_PENALTIES).fit(train, wanted).predict(test)
    return found


def asked(target: str, labels: dict[str, Array]) -> Asked | None:
    """Which samples a label is asked of, and their folds; None where there is nothing to tell."""
    if target not in labels or labels[target].ndim != 1:
        return None
    value = labels[target]
    known = np.ones(len(value), bool) if target in MEASURED else value >= 0
    rows = np.flatnonzero(known)
    who = labels.get("identity", np.arange(len(value)))[rows]
    if target != "identity":
        enough = len(np.unique(value[rows])) > 1 and len(np.unique(who)) > 1
        return Asked(rows, folds_by_person(who, FOLDS), who) if enough else None
    number = _recording(who, {key: labels[key][rows] for key in _RECORDINGS if key in labels})
    several = _distinct(who, number) > 1
    rows, who, number = rows[several], who[several], number[several]
    if len(np.unique(who)) < 2:
        return None
    pairs, pair = np.unique(np.stack([who, number], 1), axis=0, return_inverse=True)
    first = np.searchsorted(pairs[:, 0], pairs[:, 0])
    return Asked(rows, ((np.arange(len(pairs)) - first) % FOLDS)[pair.ravel()], who)


def score(found: Collected) -> ProtocolResult:
    """All numbers of the protocol.

    Args:
        found: ``where`` and ``what`` (N, D) as far as there are, and labels (N,).

    Raises:
        NotApplicableError: there is no label to ask for.
    """
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    arrays: dict[str, Array] = {}
    for target in LEAKS:
        group = asked(target, found.labels)
        if group is None:
            continue
        value = found.labels[target][group.rows]
        value = value.astype(np.float64) if target in MEASURED else value
        classes = len(np.unique(value))
        metrics[f"leak_chance_{target}"] = 0.0 if target in MEASURED else 100 / classes
        for name in ("where", "what"):
            if name not in found.codes:
                continue
            metric = f"leak_{name}_{target}"
            if name == "what" and found.entangled:
                same = f"leak_where_{target}"
                metrics[metric], intervals[metric] = metrics[same], intervals[same]
                continue
            code = found.codes[name].double().cpu().numpy()[group.rows]
            predicted = _out_of_fold(code, value, group.fold, measured=target in MEASURED)
            metrics[metric], intervals[metric] = _measured(target, predicted, value, group.person)
            arrays[f"predicted_{metric}"] = np.stack([value, predicted])
    if not metrics:
        raise NotApplicableError(f"the samples have no label of {', '.join(LEAKS)}")
    return ProtocolResult(metrics, intervals, arrays)


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``test`` of a dataset with labels; ``seed`` draws nothing.

    ``arrays`` holds ``predicted_METRIC`` (2, n): the label, and what the probe makes of it.

    Raises:
        NotApplicableError: the method has no codes, or the dataset none of the labels.
        ValueError: some codes are not finite.
    """
    if not isinstance(method, (HasClipCodes, HasCodes, HasKeypoints)):
        raise NotApplicableError(f"{type(method).__name__} has no codes")
    method = method.to(device).eval()
    unit = as_clips(data) if _has_clips(data) else nullcontext()
    if isinstance(unit, nullcontext) and not isinstance(method, (HasCodes, HasKeypoints)):
        raise NotApplicableError(f"{type(method).__name__} needs clips, the data has pictures")
    with unit:
        found = collect(method, data, "test", device, reduce=_over_time, field=False)
    return score(found._replace(labels=_of_samples(found.labels)))


def _has_clips(data: DataModule) -> bool:
    try:
        data.hand_out("clips")
    except DataError:
        return False
    return True


def _over_time(codes: Tensor) -> Tensor:
    """The mean (B, D) of codes of clips (B, T, D); codes of pictures (B, D) as they are."""
    return codes.mean(1) if codes.ndim == 3 else codes


def _of_samples(labels: dict[str, Array]) -> dict[str, Array]:
    """Labels with what is measured frame by frame (N, T) as its mean (N,) over a clip."""
    return {
        key: value.mean(1) if key in MEASURED and value.ndim == 2 else value
        for key, value in labels.items()
    }


def _out_of_fold(code: Array, value: Array, fold: Array, *, measured: bool) -> Array:
    """What probes fitted on the other folds say of every row."""
    predicted = np.empty_like(value)
    for number in np.unique(fold).tolist():
        scored = fold == number
        fitted = code[~scored]
        deviation = fitted.std(0)
        scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6)
        train, test = ((code[rows] - fitted.mean(0)) * scale for rows in (~scored, scored))
        probe = regression if measured else discriminant
        predicted[scored] = probe(train, value[~scored], test)
    return predicted


def _measured(
    target: str, predicted: Array, value: Array, person: Array
) -> tuple[float, tuple[float, float]]:
    """Score and interval, in percent: R2 of numbers, balanced accuracy of names."""
    if target in MEASURED:
        wrong, spread = np.square(predicted - value), np.square(value - value.mean())
        low, high = ratio_interval(wrong, spread, person)
        return float(100 * (1 - wrong.sum() / spread.sum())), (100 * (1 - high), 100 * (1 - low))
    members = np.unique(value)[None] == value[:, None]
    right = 100.0 * members * (predicted == value)[:, None]
    recall = right.sum(0) / members.sum(0)
    if target == "identity":
        # Every person is a class of his own.
        return float(recall.mean()), ratio_interval(
            recall, np.ones_like(recall), np.arange(len(recall))
        )
    return float(recall.mean()), ratio_interval(right, members, person)


def _recording(who: Array, numbers: dict[str, Array]) -> Array:
    """The number (N,) of the recording a sample is of; its own where nothing else tells."""
    for key in _RECORDINGS:
        if key in numbers:
            _, first = np.unique(who, return_index=True)
            if np.mean(_distinct(who, numbers[key])[first] > 1) >= 0.5:
                return numbers[key]
    return np.arange(len(who))


def _distinct(who: Array, number: Array) -> Array:
    """How many different numbers the person (N,) of each sample has."""
    pairs = np.unique(np.stack([who, number], 1), axis=0)
    names, counts = np.unique(pairs[:, 0], return_counts=True)
    found: Array = counts[np.searchsorted(names, who)]
    return found
