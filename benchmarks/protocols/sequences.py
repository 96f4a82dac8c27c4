"""How a method splits clips into what stays and what moves: Sprites, Moving MNIST, Aff-Wild, v1.

Helminger et al. (2018) show pictures and no number; these are the numbers for what they say. Each
part stands in a module of its own, and is left out where a method lacks the capability or a dataset
the labels:

* `bounds`: the evidence bound, and its parts;
* `probes`: what simple probes read of each label from either code;
* `swaps`: *what* of one clip and *where* of another, painted, and judged;
* `coherence`: diversity of *where* drawn for a given *what*, and whether a *where* means the same
  with any *what*;
* `orders`: whether *what* hangs on the order of frames.

Probes and judge are fitted on real clips of split ``train``; everything is scored on ``test``.
Intervals draw whole persons (characters, videos; each clip of Moving MNIST is one).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.protocols.bounds import FLOOR, PARTS, bound_parts, score_bound
from benchmarks.protocols.clip_codes import Array, as_clips
from benchmarks.protocols.coherence import score_grid, score_samples
from benchmarks.protocols.frame_judge import JUDGED, FittedJudge, fit_judge
from benchmarks.protocols.interface import NotApplicableError, ProtocolResult
from benchmarks.protocols.orders import CLIPS, IN_ORDER, PERMUTED, both_orders, score_order
from benchmarks.protocols.probes import score_probes
from benchmarks.protocols.sequence_codes import Gathered, gather, painter, real_frames
from benchmarks.protocols.sequence_labels import TARGETS, distinct, known
from benchmarks.protocols.swaps import score_swaps
from datamodules.interface import DataModule
from lightning_modules.interface import HasClipCodes, HasCodes, HasKeypoints, Method

VERSION: Final = 1
SHOWN: Final = 8
"""Clips whose codes are kept for pictures."""


@torch.no_grad()
def evaluate(
    method: Method, data: DataModule, *, device: torch.device, seed: int
) -> ProtocolResult:
    """Score a frozen method on clips of ``test``.

    ``arrays`` holds what the parts hand out, and of some clips ``trace_where`` (n, T, Dz) and
    ``trace_frames`` (n, T, S, S, 3) uint8, the frames as the judge sees them.

    Raises:
        NotApplicableError: the method has no codes, or there is nothing to score.
        ValueError: some codes or painted clips are not finite.
    """
    if not isinstance(method, (HasClipCodes, HasCodes, HasKeypoints)):
        raise NotApplicableError(f"{type(method).__name__} has no codes")
    method = method.to(device).eval()
    generator = torch.Generator().manual_seed(seed)
    ordered = 0

    def also(clip: Tensor) -> dict[str, Tensor]:
        nonlocal ordered
        found = bound_parts(method, clip, generator)
        if ordered < CLIPS:
            found |= both_orders(method, clip, generator)
            ordered += len(clip)
        return found

    with as_clips(data):
        test = gather(method, data, "test", device, also=also)
        frames, values = test.frames.shape[1], _values(data)
        parts = [
            score_bound(
                {key: test.also[key] for key in (*PARTS, FLOOR) if key in test.also},
                test.person,
                frames=frames,
                values=values,
            ),
            score_order(
                {key: test.also[key] for key in (IN_ORDER, PERMUTED) if key in test.also},
                test.person,
            ),
        ]
        test = test.only(distinct(test.labels))
        if known(test.labels) and len(test.frames):
            train = gather(method, data, "train", device)
            train = train.only(distinct(train.labels))
            parts.append(score_probes(train, test))
            parts += _painted(method, data, test, device, seed)
    merged = _merged(parts)
    if not merged.metrics:
        raise NotApplicableError(
            f"{type(method).__name__} bounds and paints nothing, and the clips have no label of "
            f"{', '.join(TARGETS)}"
        )
    merged.arrays["trace_frames"] = test.frames[:SHOWN].permute(0, 1, 3, 4, 2).numpy()
    if "where" in test.codes:
        merged.arrays["trace_where"] = test.codes["where"][:SHOWN].cpu().numpy()
    return merged


def judge_of(data: DataModule, device: torch.device, seed: int) -> FittedJudge:
    """The judge of a dataset that hands out clips, fitted on frames of ``train``."""
    frames, found = real_frames(data, "train", device, seed=seed)
    labels: dict[str, Array] = {}
    for name, value in found.items():
        if name in JUDGED:
            of_frames = TARGETS[name].side == "where"
            labels[name] = (
                value.reshape(-1, *value.shape[2:])
                if of_frames
                else np.repeat(value, frames.shape[1], 0)
            )
    return fit_judge(frames.flatten(0, 1), labels, device=device, seed=seed)


def _painted(
    method: Method, data: DataModule, test: Gathered, device: torch.device, seed: int
) -> list[ProtocolResult]:
    """What a judge says, where there is anything to judge."""
    paint = painter(method)
    if paint is None or len(test.codes) < 2 or not known(test.labels).keys() & set(JUDGED):
        return []
    judge = judge_of(data, device, seed)
    generators = (torch.Generator().manual_seed(seed + k) for k in range(3))
    return [
        score_swaps(judge, paint, test, generator=next(generators)),
        score_samples(judge, paint, method, test, generator=next(generators)),
        score_grid(judge, paint, test, generator=next(generators)),
    ]


def _values(data: DataModule) -> int:
    """Values of a frame as the method sees it, C H W."""
    return int(np.prod(data.handed_out("test")[0][0]["clip"].shape[1:]))


def _merged(parts: list[ProtocolResult]) -> ProtocolResult:
    whole = ProtocolResult({})
    for part in parts:
        whole.metrics.update(part.metrics)
        whole.intervals.update(part.intervals)
        whole.arrays.update(part.arrays)
    return whole
