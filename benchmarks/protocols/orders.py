"""Whether *what* of a clip hangs on the order of its frames.

*What* is read once from the frames as they are and once from the same frames in another order. How
far it moves, root mean square over clips, is said in percent of how far those of two clips are
apart, by their spread; so is, beside it, the way from each clip to another one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Generator, Tensor

from benchmarks.protocols.clip_codes import Array
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.protocols.outputs import codes_of
from benchmarks.protocols.persons import ratio_interval
from lightning_modules.interface import HasClipCodes, HasStaticCode, Method

CLIPS: Final = 48
"""Clips that are read twice, at most; the first."""
IN_ORDER, PERMUTED = "in_order", "permuted"


def both_orders(method: Method, clip: Tensor, generator: Generator) -> dict[str, Tensor]:
    """*What* (B, Df) of ``clip`` (B, T, C, H, W), its frames in order and permuted.

    Empty where a method reads no clips, or has one code only. A method that reads *what* from
    frames of choice is given as many as it can cut into groups.
    """
    if not isinstance(method, HasClipCodes):
        return {}
    frames = clip.shape[1]
    draw = torch.rand(len(clip), frames, generator=generator)
    if isinstance(method, HasStaticCode):
        group = max(1, method.draws)
        read = max(group, frames // group * group)
        if read > frames:
            return {}
        order = torch.arange(read, device=clip.device).expand(len(clip), -1)
        mixed = draw[:, :read].argsort(1).to(clip.device)
        return {
            IN_ORDER: method.static_code(clip, order),
            PERMUTED: method.static_code(clip, mixed),
        }
    place = draw.argsort(1).to(clip.device)
    mixed_clip = clip[torch.arange(len(clip), device=clip.device)[:, None], place]
    first, second = (
        codes_of(method, "encode_clip", method.encode_clip(shown), *clip.shape[:2])
        for shown in (clip, mixed_clip)
    )
    if first.where is first.what:
        return {}
    return {IN_ORDER: first.what.mean(1), PERMUTED: second.what.mean(1)}


def score_order(codes: dict[str, Array], person: Array) -> ProtocolResult:
    """Numbers of `both_orders` of N clips; none for fewer than two, or codes that do not differ.

    Args:
        codes: *what* (N, Df) twice.
        person: (N,) who each clip is of.
    """
    if IN_ORDER not in codes or len(codes[IN_ORDER]) < 2:
        return ProtocolResult({})
    first, second = codes[IN_ORDER], codes[PERMUTED]
    person = person[: len(first)]
    # Two clips drawn at random are, in the mean square, twice the variance apart.
    between = 2 * np.square(first - first.mean(0)).sum(1) * len(first) / (len(first) - 1)
    if between.sum() < 1e-12 * max(1.0, float(np.square(first).sum())):
        return ProtocolResult({})
    found = {
        "order_change": np.square(second - first).sum(1),
        "order_other": np.square(np.roll(second, 1, 0) - first).sum(1),
    }
    intervals = {name: ratio_interval(value, between, person) for name, value in found.items()}
    return ProtocolResult(
        {name: 100 * float(np.sqrt(value.sum() / between.sum())) for name, value in found.items()},
        {
            name: (100 * float(np.sqrt(low)), 100 * float(np.sqrt(high)))
            for name, (low, high) in intervals.items()
        },
    )
