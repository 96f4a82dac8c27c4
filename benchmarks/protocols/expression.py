"""Expressions from the codes of clips: the protocol of Xing et al. (TPAMI 2022, Table III), v2.

The codes of every clip, one a frame, are read by a recurrent classifier in a tenfold
cross-validation over persons (see `benchmarks.protocols.recurrent`). Three sequences are scored, as
far as a method has them: ``field``, the dense displacement (the paper's *ddf*), ``where``, the code
behind it (*dglf*), and ``what``, which should tell nothing; an entangled method has one code, that
stands under both names. Accuracy is pooled over clips: each is scored once, in the fold that was
fitted without its person. Intervals draw whole persons.

========================  ====================================================================
``acc6_CODE``             the paper's: the codes as they are, six expressions without neutral
``acc6_CODE_moved``       how the codes move: less their mean over the clip
``acc7_CODE_moved``       the same with neutral clips; the paper speaks of six, and draws seven
``acc6_CODE_moved_new``   the same of six within the persons of split ``test`` alone
========================  ====================================================================

Who it is changes codes far more than any expression does. A classifier that is fitted on few
persons has to learn to look past that; the second line takes it away from every method alike.

The paper does not say whether its generator had seen the persons it is scored on. So there are two
protocols in one: the first three lines are over all persons, of a method trained on all clips
without labels (transductive) or on none; the last is the same cross-validation within persons
which a method trained on ``train`` has never seen (inductive). Every method has the latter, an
inductive one only the latter.

What differs from the paper: a field is averaged over squares of 4 x 4 pixels (16 x 16 x 2 = 512
numbers of a frame of 64 px, 8,192 there), and a sequence to ten steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import torch

from benchmarks.protocols import recurrent
from benchmarks.protocols.clip_codes import Array, Collected, as_clips, collect
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.protocols.persons import ratio_interval
from datamodules.interface import DataModule
from lightning_modules.interface import Method

VERSION: Final = 2
CODES: Final = ("field", "where", "what")
NEUTRAL: Final = 0
CLASSES: Final = 7


def score(
    found: Collected, names: Sequence[str], *, new: Array, everybody: bool, seed: int
) -> ProtocolResult:
    """All numbers of the protocol from the codes of clips.

    Args:
        found: codes (N, T, D), and the labels ``identity`` and ``expression``.
        names: of the seven expressions, neutral first.
        new: (N,), whether a clip's person is one of split ``test``.
        everybody: also score over all persons.
        seed: of the classifiers.

    Raises:
        ValueError: there are not seven expressions.
    """
    if len(names) != CLASSES:
        raise ValueError(f"the protocol knows {CLASSES} expressions, the dataset has {names}")
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    arrays: dict[str, Array] = {"class_names": np.array(names)}
    expression, identity = found.labels["expression"], found.labels["identity"]
    sequences = {name: recurrent.shortened(codes) for name, codes in found.codes.items()}
    for ending, used, first in _groups(expression, new, everybody):
        moved = "moved" in ending
        label, person = expression[used] - first, identity[used]
        classes = CLASSES - first
        fold = recurrent.folds_by_person(person, recurrent.FOLDS)
        rows = torch.from_numpy(np.flatnonzero(used))
        for name in CODES:
            if name not in sequences:
                continue
            metric = f"acc{classes}_{name}{ending}"
            if name == "what" and found.entangled:
                same = metric.replace("what", "where")
                metrics[metric], intervals[metric] = metrics[same], intervals[same]
                continue
            chosen = sequences[name][rows.to(sequences[name].device)]
            if moved:
                chosen = chosen - chosen.mean(1, keepdim=True)
            predicted = recurrent.cross_validated(chosen, label, fold, classes=classes, seed=seed)
            right = 100.0 * (predicted == label)
            metrics[metric] = float(right.mean())
            intervals[metric] = ratio_interval(right, np.ones_like(right), person)
            confusion = np.zeros((classes, classes), np.int64)
            np.add.at(confusion, (label, predicted), 1)
            arrays[f"confusion_{metric}"] = confusion
            arrays[f"folds_{metric}"] = np.array([right[fold == k].mean() for k in np.unique(fold)])
    return ProtocolResult(metrics, intervals, arrays)


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on the clips of ``all``, or of ``test`` if it was trained on ``train``.

    A method without any weight has learned from nobody, whatever the split.

    ``arrays`` holds ``class_names`` (7,), and for every metric of its own code ``confusion_METRIC``
    (K, K), counts of clips by true class (rows) and predicted, and ``folds_METRIC`` (10,), the
    accuracy in each fold.

    Raises:
        NotApplicableError: the method has neither codes, points nor a field.
        ValueError: some of its codes are not finite.
    """
    method = method.to(device).eval()
    inductive = data.trained_split == "train" and bool(method.state_dict())
    split = "test" if inductive else "all"
    with as_clips(data):
        unseen = np.unique(data.dataset("test").labels["identity"].numpy())
        found = collect(method, data, split, device, reduce=recurrent.shortened)
    return score(
        found,
        data.label_names["expression"],
        new=np.isin(found.labels["identity"], unseen),
        everybody=not inductive,
        seed=seed,
    )


def _groups(expression: Array, new: Array, everybody: bool) -> Iterator[tuple[str, Array, int]]:
    """Ending of the metric, which clips are used, and the first expression that counts."""
    moving = expression != NEUTRAL
    if everybody:
        yield "", moving, NEUTRAL + 1
        yield "_moved", moving, NEUTRAL + 1
        yield "_moved", np.ones_like(moving), NEUTRAL
    yield "_moved_new", moving & new, NEUTRAL + 1
