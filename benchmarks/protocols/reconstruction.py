"""Reconstruction of unseen pictures, by view where the dataset has views: version 1.

A frozen method paints every test picture again; its error is the squared error summed over pixels
and channels on [0, 1], averaged over pictures (the mean squared reconstruction error of Xing et
al., TPAMI 2022, Table I). A constant picture at one half has about a thousand at 64 px.

The five views are those of Multi-PIE's table. ``msre`` is the mean of the views' means, so it does
not depend on how many pictures a view has. ``msre_turned_ratio`` is the mean of the two outer views
over the frontal one: how much of a method's quality is lost on views it was not fine-tuned on. Of
pictures without a view, ``msre`` is the mean over all of them, and there are no numbers by view.

Inference by random chains gives another code each time. ``msre_chain_sd`` is the standard deviation
of ``msre`` over such tries, with everything learned held fixed: estimated from three chains of the
first pictures of each view (of all, where there are no views), and scaled to the number of pictures
scored.

What is selected on what: the weights of the last epoch are scored; nothing is chosen on the test
pictures.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import numpy as np
import torch

from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.landmarks import bootstrap_interval
from benchmarks.protocols.outputs import reconstruction_of
from datamodules.interface import DataModule
from lightning_modules.interface import HasChains, HasReconstruction, Method

VERSION: Final = 1
VIEWS: Final = {-30: "m30", -15: "m15", 0: "0", 15: "p15", 30: "p30"}
CHAINS: Final = 3
CHAIN_PICTURES: Final = 20
SHOWN: Final = 2
"""Pictures a view that are drawn; five times as many, as of `CHAIN_PICTURES`, without views."""
_WHOLE: Final = 0
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
    for name, over_views in (("msre", _mean_over_views), ("msre_turned_ratio", _turned_ratio)):
        samples = tuple(parts.values())
        metrics[name] = float(over_views(*samples))
        intervals[name] = bootstrap_interval(*samples, statistic=over_views)
    return ProtocolResult(metrics, intervals)


def _mean_over_views(*parts: Array, axis: int = -1) -> Array:
    found: Array = np.mean([part.mean(axis) for part in parts], 0)
    return found


def _turned_ratio(*parts: Array, axis: int = -1) -> Array:
    means = dict(zip(VIEWS, (part.mean(axis) for part in parts), strict=True))
    found: Array = (means[-30] + means[30]) / 2 / means[0]
    return found


def overall(errors: Array) -> ProtocolResult:
    """The mean over pictures that have no view.

    Args:
        errors: summed squared error of each picture (N,).
    """
    return ProtocolResult({"msre": float(errors.mean())}, {"msre": bootstrap_interval(errors)})


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
    """Score a frozen method on ``test``, by ``view`` (B,) in degrees where the dataset has it.

    ``arrays`` holds the first pictures of every view: ``view_images`` and ``view_rebuilt`` (5, n,
    H, W, C) uint8, in the order of `VIEWS`, and ``view_errors`` (5, n); ``test_images`` are the
    same pictures in one row, or the first ten where there are no views.

    Raises:
        NotApplicableError: the method does not reconstruct.
        ValueError: it paints values that are not finite, or pictures of another shape.
    """
    if not isinstance(method, HasReconstruction):
        raise NotApplicableError(f"{type(method).__name__} does not reconstruct")
    method = method.to(device).eval()
    errors, groups = [], []
    kept: defaultdict[int, list[tuple[Array, Array, float]]] = defaultdict(list)
    samples: defaultdict[int, list[torch.Tensor]] = defaultdict(list)
    # A dataset that knows the turn of a head by chance, as a stand-in of clips does, has no views.
    has_views = "view" in data.labels
    views = list(VIEWS) if has_views else [_WHOLE]
    many = len(VIEWS) // len(views)
    for loaded in data.eval_dataloader("test", _BATCH):
        batch = data.to_batch(loaded, device)
        image = batch["image"]
        rebuilt = reconstruction_of(method, image)
        if not torch.isfinite(rebuilt).all():
            raise ValueError(f"{type(method).__name__} painted values that are not finite")
        error = _errors(rebuilt, image)
        group = batch["view"].cpu().numpy() if has_views else np.full(len(error), _WHOLE)
        errors.append(error)
        groups.append(np.rint(group).astype(int))
        for row, view in enumerate(groups[-1].tolist()):
            if len(kept[view]) < many * SHOWN:
                kept[view].append((_bytes(image[row]), _bytes(rebuilt[row]), error[row]))
            if len(samples[view]) < many * CHAIN_PICTURES:
                samples[view].append(image[row].cpu())
    every, where = np.concatenate(errors), np.concatenate(groups)
    result = overall(every) if views == [_WHOLE] else by_view(every, where)
    if isinstance(method, HasChains):
        counts = {view: int((where == view).sum()) for view in views}
        tried = {view: samples[view] for view in views}
        result.metrics["msre_chain_sd"] = _over_chains(method, tried, counts, device)
    return ProtocolResult(result.metrics, result.intervals, _arrays([kept[v] for v in views]))


def _arrays(kept: list[list[tuple[Array, Array, float]]]) -> dict[str, Array]:
    """Picture, reconstruction and error of some pictures of every view, or of one group."""
    shown = min(len(rows) for rows in kept)
    columns = list(zip(*(zip(*rows[:shown], strict=True) for rows in kept), strict=True))
    names = ("view_images", "view_rebuilt", "view_errors")
    arrays = {name: np.array(column) for name, column in zip(names, columns, strict=True)}
    if len(kept) == 1:
        return {"test_images": arrays["view_images"][0]}
    # View by view: what other pictures of test faces are made of.
    arrays["test_images"] = np.concatenate(arrays["view_images"].swapaxes(0, 1))
    return arrays


def _over_chains(
    method: HasChains,
    samples: dict[int, list[torch.Tensor]],
    counts: dict[int, int],
    device: torch.device,
) -> float:
    images = torch.stack([image for rows in samples.values() for image in rows]).to(device)
    views = np.repeat(list(samples), [len(rows) for rows in samples.values()])
    tries = [
        _errors(method.reconstruct_by_chain(images.clone(), chain), images)
        for chain in range(CHAINS)
    ]
    return chain_deviation(np.stack(tries), views, counts)


def _bytes(image: torch.Tensor) -> Array:
    shown: Array = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return shown
