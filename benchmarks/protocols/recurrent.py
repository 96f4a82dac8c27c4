"""A recurrent classifier of short sequences, cross-validated over persons.

The classifier of Xing et al. (TPAMI 2022, section 5.6): one layer of LSTM, a layer of 30 units and
a softmax, fitted by cross-entropy; ten folds, no person on both sides of one. What the paper leaves
open is settled here, once for every method: 128 LSTM units, of which the mean over time is read,
dropout of a half behind them, ReLU, Adam with a rate that falls linearly to zero, and a fixed
number of epochs, after the last of which the weights are scored. Nothing is chosen on a clip that
is scored. Every number is standardised on the clips that are fitted on; noise of 0.7 is added to it
in fitting, for some hundred clips of some dozen persons are learned by heart otherwise.

Sequences are brought to ten steps first, each the mean of an equal stretch of frames: a classifier
on every frame costs several times as much.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.protocols.kept import kept

FOLDS: Final = 10
STEPS: Final = 10
WIDTH: Final = 128
HIDDEN: Final = 30
DROPOUT: Final = 0.5
NOISE: Final = 0.7
EPOCHS: Final = 12
BATCH: Final = 64
RATE: Final = 1e-2
FEWEST: Final = 4
"""Steps of an epoch at least: few clips come in smaller batches."""
_CHUNK: Final = 512

Array = np.ndarray


class SequenceClassifier(nn.Module):
    """LSTM, mean over time, dropout, 30 ReLU units, classes.

    Args:
        size: numbers a step.
        classes: number of classes.
    """

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(size, WIDTH, batch_first=True)
        self.hidden = nn.Linear(WIDTH, HIDDEN)
        self.head = nn.Linear(HIDDEN, classes)

    def forward(self, sequences: Tensor, kept: Tensor | None = None) -> Tensor:
        """Logits (B, classes) of sequences (B, T, D).

        Args:
            sequences: standardised.
            kept: 0 or 1 (B, WIDTH), the units that dropout keeps; None keeps all.
        """
        read = self.lstm(sequences)[0].mean(1)
        if kept is not None:
            read = read * kept / (1 - DROPOUT)
        logits: Tensor = self.head(self.hidden(read).relu())
        return logits


def shortened(sequences: Tensor) -> Tensor:
    """Sequences (B, T, D) as (B, STEPS, D), means of equal stretches; left alone if not longer."""
    if sequences.shape[1] <= STEPS:
        return sequences
    return F.adaptive_avg_pool1d(sequences.mT, STEPS).mT


def folds_by_person(identity: Array, folds: int = FOLDS) -> Array:
    """Which fold (N,) a clip is scored in: all clips of a person in one, folds alike in size.

    The folds are a function of the persons alone. There are fewer where there are fewer persons.

    Raises:
        ValueError: there is one person only.
    """
    people = len(np.unique(identity))
    if people < 2:
        raise ValueError(f"{people} person is too few to score on persons that are not fitted on")
    number = np.empty(len(identity), np.int64)
    splits = GroupKFold(min(folds, people)).split(identity, groups=identity)
    for fold, (_, scored) in enumerate(splits):
        number[scored] = fold
    return number


def cross_validated(
    sequences: Tensor, label: Array, fold: Array, *, classes: int, seed: int
) -> Array:
    """The class (N,) of every sequence by a classifier that was fitted on the other folds.

    Folds that are done outlive a kill, see `benchmarks.protocols.kept`.

    Args:
        sequences: (N, T, D), on the device to compute on.
        label: (N,), below ``classes``.
        fold: (N,), see `folds_by_person`.
        classes: number of classes.
        seed: of weights, order and dropout.
    """
    found = np.empty(len(label), np.int64)
    for number in np.unique(fold).tolist():
        said = kept(_said_in_fold, sequences, label, fold, number, classes=classes, seed=seed)
        found[fold == number] = said.cpu().numpy()
    return found


def _said_in_fold(
    sequences: Tensor, label: Array, fold: Array, number: int, *, classes: int, seed: int
) -> Tensor:
    """The class (M,) of every sequence of one fold, by a classifier fitted on the others."""
    wanted = torch.from_numpy(label).to(sequences.device)
    train, scored = (
        torch.from_numpy(np.flatnonzero(rows)).to(sequences.device)
        for rows in (fold != number, fold == number)
    )
    fitted = sequences[train]
    mean, deviation = fitted.mean((0, 1)), fitted.std((0, 1))
    # A constant column becomes zero, not noise of rounding.
    scale = torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0)
    model = fit((fitted - mean) * scale, wanted[train], classes, seed=seed * FOLDS + number)
    with torch.no_grad():
        parts = torch.split((sequences[scored] - mean) * scale, _CHUNK)
        logits = torch.cat([model(part) for part in parts])
    return logits.argmax(1)


def fit(sequences: Tensor, label: Tensor, classes: int, *, seed: int) -> SequenceClassifier:
    """A classifier of standardised sequences (N, T, D) with labels (N,).

    Weights, order, noise and dropout are drawn on the CPU, so that no device changes them.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        model = SequenceClassifier(sequences.shape[2], classes)
    model.to(sequences.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=True)
    batch = min(BATCH, -(-len(label) // FEWEST))
    per_epoch = len(label) // batch
    for step in range(EPOCHS * per_epoch):
        if step % per_epoch == 0:
            order = torch.randperm(len(label), generator=generator)
        rows = order[step % per_epoch * batch :][:batch].to(sequences.device)
        noise = NOISE * torch.randn(batch, *sequences.shape[1:], generator=generator)
        kept = torch.rand(batch, WIDTH, generator=generator) >= DROPOUT
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / (EPOCHS * per_epoch))
        with torch.enable_grad():
            shown = sequences[rows] + noise.to(sequences.device)
            logits = model(shown, kept.to(sequences.device))
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(logits, label[rows]))
        optimizer.step()
    return model
