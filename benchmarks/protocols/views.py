"""How much a code tells of the view: the covariance of Xing et al. (TPAMI 2022, eq. 21), version 1.

Pictures of the five views -30 to 30 degrees are encoded by a frozen method; for every dimension i
of a code, its mean over the pictures of each view gives a vector of five, and

    R_i = | mean(i) . theta |,  theta = (-30, -15, 0, 15, 30) / |(-30, -15, 0, 15, 30)|.

It is an inner product without centring, but theta sums to zero, so a constant does not matter. A
method that keeps geometry in *where* alone has a large ``view_where_max``, the largest R of that
code, and a small ``view_what_max``; ``view_ratio`` is the first over the second. An entangled
method has the same code twice, and a ratio of one.

``view_where_r2`` and ``view_what_r2`` are the suite's own: how much of the variance of the view a
ridge regression from the whole code explains, on persons it was not fitted on (five-fold, grouped
by person). They see what is spread over dimensions, which eq. 21 cannot.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.outputs import codes_of
from datamodules.interface import DataModule
from lightning_modules.interface import HasCodes, Method

VERSION: Final = 1
VIEWS: Final = (-30, -15, 0, 15, 30)
_FOLDS: Final = 5
_PENALTIES: Final = np.logspace(-2, 4, 13)
_BATCH: Final = 100

Array = np.ndarray


class Encoded(NamedTuple):
    """Codes of N pictures in float64 (N, D), their views in degrees (N,), and who is on them."""

    where: Array
    what: Array
    view: Array
    identity: Array


def mean_by_view(code: Array, view: Array) -> Array:
    """Mean code (5, D) over the pictures of each of the five views.

    Raises:
        ValueError: a view has no picture.
    """
    rounded = np.rint(view).astype(int)
    missing = sorted(set(VIEWS) - set(rounded.tolist()))
    if missing:
        raise ValueError(f"no test picture has a view of {missing} degrees")
    return np.stack([code[rounded == degrees].mean(0) for degrees in VIEWS])


def covariance(means: Array) -> Array:
    """R (D,) of eq. 21 from the mean codes (5, D)."""
    theta = np.array(VIEWS, dtype=np.float64)
    found: Array = np.abs(means.T @ (theta / np.linalg.norm(theta)))
    return found


def explained(code: Array, view: Array, identity: Array) -> float:
    """Share of the view's variance that a linear map explains on other persons; at most 1."""
    folds = GroupKFold(min(_FOLDS, len(np.unique(identity))))
    model = make_pipeline(StandardScaler(), RidgeCV(_PENALTIES))
    predicted = cross_val_predict(model, code, view, groups=identity, cv=folds)
    return float(1 - np.square(predicted - view).mean() / view.var())


def score(found: Encoded) -> ProtocolResult:
    """All numbers of the protocol."""
    metrics, arrays = {}, {}
    for name, code in (("where", found.where), ("what", found.what)):
        means = mean_by_view(code, found.view)
        strength = covariance(means)
        metrics[f"view_{name}_max"] = float(strength.max())
        metrics[f"view_{name}_r2"] = explained(code, found.view, found.identity)
        arrays[f"{name}_means"], arrays[f"{name}_covariance"] = means, strength
    metrics["view_ratio"] = metrics["view_where_max"] / max(metrics["view_what_max"], 1e-12)
    return ProtocolResult(metrics, {}, arrays)


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``test`` of a dataset with ``view`` and ``identity``.

    ``arrays`` holds ``where_means`` and ``what_means`` (5, D) and ``where_covariance`` and
    ``what_covariance`` (D,).

    Raises:
        NotApplicableError: the method has no codes.
        ValueError: some codes are not finite.
    """
    if not isinstance(method, HasCodes):
        raise NotApplicableError(f"{type(method).__name__} has no codes")
    method = method.to(device).eval()
    columns: list[list[Array]] = [[], [], [], []]
    for loaded in data.eval_dataloader("test", _BATCH):
        batch = data.to_batch(loaded, device)
        codes = codes_of(method, "encode", method.encode(batch["image"]), len(batch["image"]))
        values = (codes.where.flatten(1), codes.what.flatten(1), batch["view"], batch["identity"])
        for column, value in zip(columns, values, strict=True):
            column.append(value.double().cpu().numpy())
    found = Encoded(*(np.concatenate(column) for column in columns))
    for name, code in (("where", found.where), ("what", found.what)):
        bad = int((~np.isfinite(code)).any(1).sum())
        if bad:
            raise ValueError(f"{bad} of {len(code)} codes ({name}) are not finite")
    return score(found)
