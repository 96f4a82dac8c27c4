"""Reconstruction of unseen pictures by view: the Multi-PIE protocol, version 1.

A frozen method paints every test picture again; its error is the squared error summed over pixels
and channels on [0, 1], averaged over pictures (the mean squared reconstruction error of Xing et
al., TPAMI 2022, Table I). A constant picture at one half has about a thousand at 64 px.

The five views are those of the table. ``msre`` is the mean of the views' means, so it does not
depend on how many pictures a view has. ``msre_turned_ratio`` is the mean of the two outer views
over the frontal one: how much of a method's quality is lost on views it was not fine-tuned on.

Inference by random chains gives another code each time. ``msre_chain_sd`` is the standard deviation
of ``msre`` over such tries, with everything learned held fixed: estimated from three chains of the
first pictures of each view, and scaled to the number of pictures scored.

What is selected on what: the weights of the last epoch are scored; nothing is chosen on the test
pictures.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.landmarks import bootstrap_interval
from datamodules.interface import DataModule
from lightning_modules.interface import HasChains, HasReconstruction, Method

VERSION: Final = 1
VIEWS: Final = {-30: "m30", -15: "m15", 0: "0", 15: "p15", 30: "p30"}
CHAINS: Final = 3
CHAIN_PICTURES: Final = 20
SHOWN: Final = 2
_BATCH: Final = 100

Array = np.ndarray


def by_view(errors: Array, views: Array) -> ProtocolResult:
    """Means over pictures, view by view, and over views.

    Args:
        errors: summed squared error of each picture (N,).
        views: degrees (N,), each one of the table's five.

    Raises:
        ValueError: a view is none of the five, or has no picture.
    """
    rounded = np.rint(views).astype(int)
    if set(rounded.tolist()) != set(VIEWS):
        raise ValueError(
            f"the test pictures have views {sorted(set(rounded.tolist()))}, the protocol wants "
            f"{sorted(VIEWS)}"
        )
    parts = {name: errors[rounded == view] for view, name in VIEWS.items()}
    metrics = {f"msre_{name}": float(part.mean()) for name, part in parts.items()}
    intervals = {f"msre_{name}": bootstrap_interval(part) for name, part in parts.items()}
    metrics["msre"] = float(np.mean(list(metrics.values())))
    turned = (metrics["msre_m30"] + metrics["msre_p30"]) / 2
    metrics["msre_turned_ratio"] = turned / metrics["msre_0"]
    return ProtocolResult(metrics, intervals)


def chain_deviation(errors: Array, views: Array, counts: dict[int, int]) -> float:
    """Standard deviation of ``msre`` over chains, for so many pictures a view.

    Chains of different pictures are independent, so the variance of a view's mean is the mean
    variance of a picture over the number of pictures.

    Args:
        errors: (chains, n) of some pictures.
        views: degrees (n,).
        counts: pictures that are scored, by view.
    """
    spread = errors.var(0, ddof=1)
    rounded = np.rint(views).astype(int)
    variances = [spread[rounded == view].mean() / count for view, count in counts.items()]
    return float(np.sqrt(np.sum(variances)) / len(counts))


def _errors(rebuilt: torch.Tensor, image: torch.Tensor) -> Array:
    difference = (rebuilt.double() - image.double()).square().flatten(1).sum(1)
    found: Array = difference.cpu().numpy()
    return found


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on ``test`` of a dataset with ``view`` (B,) in degrees.

    ``arrays`` holds the first pictures of every view: ``view_images`` and ``view_rebuilt`` (5, n,
    H, W, 3) uint8, in the order of `VIEWS`, and ``view_errors`` (5, n); ``test_images`` are the
    same pictures in one row.

    Raises:
        NotApplicableError: the method does not reconstruct.
        ValueError: it paints values that are not finite.
    """
    if not isinstance(method, HasReconstruction):
        raise NotApplicableError(f"{type(method).__name__} does not reconstruct")
    method = method.to(device).eval()
    errors, views = [], []
    kept: dict[int, list[tuple[Array, Array, float]]] = {view: [] for view in VIEWS}
    samples: dict[int, list[torch.Tensor]] = {view: [] for view in VIEWS}
    for loaded in data.eval_dataloader("test", _BATCH):
        batch = data.to_batch(loaded, device)
        image = batch["image"]
        rebuilt = method.reconstruct(image)
        if not torch.isfinite(rebuilt).all():
            raise ValueError(f"{type(method).__name__} painted values that are not finite")
        error = _errors(rebuilt, image)
        view = batch["view"].cpu().numpy()
        errors.append(error)
        views.append(view)
        for row, degrees in enumerate(np.rint(view).astype(int).tolist()):
            if len(kept.get(degrees, ())) < SHOWN and degrees in kept:
                kept[degrees].append((_bytes(image[row]), _bytes(rebuilt[row]), error[row]))
            if degrees in samples and len(samples[degrees]) < CHAIN_PICTURES:
                samples[degrees].append(image[row].cpu())
    every_view = np.concatenate(views)
    result = by_view(np.concatenate(errors), every_view)
    if isinstance(method, HasChains):
        counts = {view: int((np.rint(every_view) == view).sum()) for view in VIEWS}
        result.metrics["msre_chain_sd"] = _over_chains(method, samples, counts, device)
    shown = min(len(rows) for rows in kept.values())
    columns = list(zip(*(zip(*rows[:shown], strict=True) for rows in kept.values()), strict=True))
    names = ("view_images", "view_rebuilt", "view_errors")
    arrays = {name: np.array(column) for name, column in zip(names, columns, strict=True)}
    # View by view: what other pictures of test faces are made of.
    arrays["test_images"] = np.concatenate(arrays["view_images"].swapaxes(0, 1))
    return ProtocolResult(result.metrics, result.intervals, arrays)


def _over_chains(
    method: HasChains,
    samples: dict[int, list[torch.Tensor]],
    counts: dict[int, int],
    device: torch.device,
) -> float:
    images = torch.stack([image for rows in samples.values() for image in rows]).to(device)
    views = np.repeat(list(samples), [len(rows) for rows in samples.values()])
    tries = [_errors(method.reconstruct_by_chain(images, chain), images) for chain in range(CHAINS)]
    return chain_deviation(np.stack(tries), views, counts)


def _bytes(image: torch.Tensor) -> Array:
    shown: Array = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return shown
