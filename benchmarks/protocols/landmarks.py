"""Landmark regression on frozen keypoints: the MAFL protocol, version 1.

A linear map, fitted by least squares in float64 on the labelled training pictures, takes a
picture's keypoints in [-1, 1] to its landmarks. The error is the distance between predicted and
true landmark over the distance of the two eyes (landmarks 0 and 1), averaged over landmarks and
test pictures, in percent (Thewlis et al. 2017; Jakab et al. 2018; Daniel and Tamar 2022).

The papers fit no intercept, and that is the headline here too. DLP's variance variant concatenates
the log-variance of a background particle that is the same in every picture: a hidden intercept.
So each input set is scored with and without one, and ``nme_var_b`` is what the paper calls "Ours+".

``val_log_variance`` is the mean log-variance of the points over the validation split; it needs no
label and can choose among models.

What is selected on what: the weights of the last epoch are scored; nothing is chosen on the test
pictures. The certain particles are chosen on the training pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from scipy import stats

from benchmarks.protocols.confidence import mean_log_variance
from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.outputs import codes_of, keypoints_of
from datamodules.interface import DataModule
from lightning_modules.interface import HasCodes, HasKeypoints, Method

VERSION: Final = 1
SUBSET: Final = 10
SHOWN: Final = 16
GROUP: Final = 8
_RESAMPLES: Final = 2000

Array = np.ndarray


class Inputs(NamedTuple):
    """What a frozen method says of N pictures, in float64, and their landmarks.

    Shapes: ``where`` (N, D), the flattened keypoints (x, y) or code; ``log_variance`` (N, D) or
    None; ``landmarks`` (N, L, 2).
    """

    where: Array
    log_variance: Array | None
    landmarks: Array


def predict(train: Array, landmarks: Array, test: Array, *, intercept: bool) -> Array:
    """Least-squares landmarks of ``test``.

    Columns may be constant or repeated: the solution of smallest norm is taken.

    Args:
        train: inputs (N, D).
        landmarks: their landmarks (N, L, 2).
        test: inputs (M, D).
        intercept: add a column of ones.

    Returns:
        (M, L, 2).
    """
    if intercept:
        train = np.hstack([train, np.ones((len(train), 1))])
        test = np.hstack([test, np.ones((len(test), 1))])
    weights, *_ = np.linalg.lstsq(train, landmarks.reshape(len(landmarks), -1), rcond=None)
    predicted: Array = (test @ weights).reshape(len(test), -1, 2)
    return predicted


def interocular_errors(predicted: Array, landmarks: Array) -> Array:
    """Distance to the true landmarks over the distance of the eyes, in percent.

    Args:
        predicted: (N, L, 2).
        landmarks: (N, L, 2), eyes first.

    Returns:
        (N, L).

    Raises:
        ValueError: the two eyes of a picture coincide.
    """
    eyes = np.linalg.norm(landmarks[:, 0] - landmarks[:, 1], axis=-1)
    if not (eyes > 0).all():
        raise ValueError(
            f"test pictures {np.flatnonzero(eyes <= 0)[:8]} have both eyes in one place"
        )
    errors: Array = np.linalg.norm(predicted - landmarks, axis=-1) / eyes[:, None] * 100
    return errors


def bootstrap_interval(
    *samples: Array, statistic: Callable[..., Any] = np.mean
) -> tuple[float, float]:
    """95 % percentile bootstrap interval over test pictures.

    Args:
        samples: a number (N,) a picture, one array for each part that is drawn from by itself.
        statistic: of one sample of each part; takes ``axis``.
    """
    found = stats.bootstrap(samples, statistic, n_resamples=_RESAMPLES, method="percentile", rng=0)
    low, high = found.confidence_interval
    return float(low), float(high)


def sparsification(error: Array, uncertainty: Array) -> tuple[Array, Array]:
    """Mean error of what is left as the most uncertain pictures are removed, and as the worst are.

    Args:
        error: (N,).
        uncertainty: (N,).

    Returns:
        Two curves (N,): entry i is the mean over all but the i removed, relative to the mean over
        all. The second, the oracle, removes by the error itself.
    """

    def curve(order: Array) -> Array:
        kept = error[order]
        mean: Array = np.cumsum(kept) / np.arange(1, len(kept) + 1)
        relative: Array = mean[::-1] / error.mean()
        return relative

    return curve(np.argsort(uncertainty, kind="stable")), curve(np.argsort(error, kind="stable"))


@torch.no_grad()
def collect(method: Method, data: DataModule, split: str, device: torch.device) -> Inputs:
    """Run a frozen method over one labelled split, in order.

    Raises:
        NotApplicableError: the method has neither keypoints nor codes.
        ValueError: some of them are not finite; says for how many pictures. Or they are not of
            the contract's shape, or far outside of the picture.
    """
    where, spread, landmarks = [], [], []
    for loaded in data.eval_dataloader(split):
        batch = data.to_batch(loaded, device)
        if isinstance(method, HasKeypoints):
            mean, log_variance = keypoints_of(method, batch["image"])
        elif isinstance(method, HasCodes):
            codes = codes_of(method, "encode", method.encode(batch["image"]), len(batch["image"]))
            mean, log_variance = codes.where, None
        else:
            raise NotApplicableError(f"{type(method).__name__} has neither keypoints nor codes")
        where.append(mean.flatten(1).double().cpu().numpy())
        if log_variance is not None:
            spread.append(log_variance.flatten(1).double().cpu().numpy())
        landmarks.append(batch["landmarks"].double().cpu().numpy())
    found = Inputs(
        np.concatenate(where), np.concatenate(spread) if spread else None, np.concatenate(landmarks)
    )
    kind = "keypoints" if isinstance(method, HasKeypoints) else "codes"
    for name, values in ((kind, found.where), ("log-variances", found.log_variance)):
        bad = 0 if values is None else int((~np.isfinite(values)).any(1).sum())
        if bad:
            raise ValueError(
                f"{type(method).__name__} gave non-finite {name} for {bad} of {len(found.where)} "
                f"pictures of split '{split}'; did its training diverge?"
            )
    return found


def score(train: Inputs, test: Inputs) -> ProtocolResult:
    """All numbers of the protocol from the two splits' inputs.

    Whether variance predicts error is asked of pictures: their mean log-variance against their
    mean error, by rank correlation and by the area between sparsification curve and oracle. A
    method that gives every picture the same variance gets neither number.
    """
    columns = {"": (train.where, test.where)}
    if train.log_variance is not None and test.log_variance is not None:
        columns["_var"] = (
            np.hstack([train.where, train.log_variance]),
            np.hstack([test.where, test.log_variance]),
        )
        columns |= _subsets(train, test)
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    arrays: dict[str, Array] = {}
    for name, (fit_on, run_on) in columns.items():
        for suffix, intercept in (("", False), ("_b", True)):
            if suffix and name not in ("", "_var"):
                continue
            predicted = predict(fit_on, train.landmarks, run_on, intercept=intercept)
            per_image = interocular_errors(predicted, test.landmarks).mean(1)
            metric = f"nme{name}{suffix}"
            metrics[metric] = float(per_image.mean())
            intervals[metric] = bootstrap_interval(per_image)
            if metric == "nme":
                arrays = {"test_predicted": predicted[:SHOWN], "per_image_error": per_image}
                for group, rows in _groups(per_image).items():
                    arrays[f"{group}_rows"] = rows
                    arrays[f"{group}_landmarks"] = test.landmarks[rows]
                    arrays[f"{group}_predicted"] = predicted[rows]
    if test.log_variance is not None and np.ptp(test.log_variance.mean(1)) > 0:
        uncertainty = test.log_variance.mean(1)
        error = arrays["per_image_error"]
        by_variance, oracle = sparsification(error, uncertainty)
        metrics["var_error_spearman"] = float(stats.spearmanr(uncertainty, error).statistic)
        metrics["ause"] = float((by_variance - oracle).mean())
        arrays["sparsification"] = np.stack([by_variance, oracle])
    return ProtocolResult(metrics, intervals, arrays)


def _groups(per_image: Array) -> dict[str, Array]:
    """Rows of the test pictures nearest the median error, and of those with the largest."""
    from_median = np.abs(per_image - np.median(per_image))
    return {
        "median": np.argsort(from_median, kind="stable")[:GROUP],
        "worst": np.argsort(-per_image, kind="stable")[:GROUP],
    }


def _pictures(data: DataModule, rows: Sequence[int]) -> Array:
    """Test pictures (n, H, W, 3) uint8, as the method sees them."""
    images: Array = data.dataset("test").__getitems__(rows)["image"].permute(0, 2, 3, 1).numpy()
    return images


def _subsets(train: Inputs, test: Inputs) -> dict[str, tuple[Array, Array]]:
    """Positions of the most and least certain particles, by mean log-variance on training."""
    assert train.log_variance is not None
    particles = train.log_variance.mean(0).reshape(-1, 2).sum(1)
    order = np.argsort(particles, kind="stable")
    chosen = {"_certain10": order[:SUBSET], "_uncertain10": order[-SUBSET:]}
    return {
        name: (
            train.where.reshape(len(train.where), -1, 2)[:, which].reshape(len(train.where), -1),
            test.where.reshape(len(test.where), -1, 2)[:, which].reshape(len(test.where), -1),
        )
        for name, which in chosen.items()
    }


def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``train`` and ``test`` of a dataset with landmarks.

    ``arrays`` holds, for the first pictures of the test split: ``test_images`` (n, H, W, 3) uint8,
    ``test_landmarks``, ``test_predicted`` (n, L, 2), ``test_keypoints`` and ``test_log_variance``
    (n, K, 2) where the method has keypoints; for all of them ``per_image_error`` (N,), percent, and
    ``sparsification`` (2, N): by variance, by the oracle. The 8 test pictures whose ``nme`` is
    nearest the median, and the 8 whose it is largest, are ``median_*`` and ``worst_*``: ``rows``
    (n,) of the split, ``images``, ``landmarks``, ``predicted``.

    Raises:
        NotApplicableError: the method has neither keypoints nor codes.
    """
    method = method.to(device).eval()
    test = collect(method, data, "test", device)
    result = score(collect(method, data, "train", device), test)
    if isinstance(method, HasKeypoints):
        certainty = mean_log_variance(method, data, device)
        if certainty is not None:
            result.metrics["val_log_variance"] = certainty
    return pictured(result, method, data, test)


def pictured(
    result: ProtocolResult, method: Method, data: DataModule, test: Inputs
) -> ProtocolResult:
    """A result with the test pictures that `evaluate` shows."""
    arrays = dict(result.arrays)
    shown = min(SHOWN, len(test.where))
    arrays["test_images"] = _pictures(data, range(shown))
    arrays["test_landmarks"] = test.landmarks[:shown]
    for group in ("median", "worst"):
        arrays[f"{group}_images"] = _pictures(data, arrays[f"{group}_rows"].tolist())
    if isinstance(method, HasKeypoints):
        arrays["test_keypoints"] = test.where[:shown].reshape(shown, -1, 2)
        if test.log_variance is not None:
            arrays["test_log_variance"] = test.log_variance[:shown].reshape(shown, -1, 2)
    return ProtocolResult(result.metrics, result.intervals, arrays)
