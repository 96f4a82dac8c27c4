"""The evidence bound of clips, per frame and per dimension, and what it is made of.

Nats a frame: the log-likelihood of the frames, less the divergences of *where* and of *what* from
their priors, each summed over whole clips and divided by their frames. Bits per dimension are minus
the bound over the values of a frame, to base 2. Frames have values between 0 and 1, and a Bernoulli
with the same mean is the best that can be said of one: ``bits_floor`` is what that costs, and no
method gets below.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Generator, Tensor

from benchmarks.protocols.clip_codes import Array
from benchmarks.protocols.interface import ProtocolResult
from benchmarks.protocols.persons import ratio_interval
from lightning_modules.interface import HasClipBound, Method

PARTS: Final = {
    "reconstruction": "rec_frame",
    "kl_where": "kl_where_frame",
    "kl_what": "kl_what_frame",
}
FLOOR: Final = "floor"


def bound_parts(method: Method, clip: Tensor, generator: Generator) -> dict[str, Tensor]:
    """Parts of the bound of ``clip`` (B, T, C, H, W), nats (B,), and the floor's entropy.

    Empty where the method bounds nothing.
    """
    if not isinstance(method, HasClipBound):
        return {}
    entropy = -(torch.xlogy(clip, clip) + torch.xlogy(1 - clip, 1 - clip))
    return {**method.clip_bound(clip, generator), FLOOR: entropy.flatten(1).sum(1)}


def score_bound(
    parts: dict[str, Array], person: Array, *, frames: int, values: int
) -> ProtocolResult:
    """Numbers of `bound_parts` of N clips.

    Args:
        parts: (N,) nats a clip; none where a method bounds nothing.
        person: (N,) who each clip is of.
        frames: of a clip.
        values: of a frame, C H W.
    """
    if FLOOR not in parts:
        return ProtocolResult({})
    bound = parts["reconstruction"] - parts["kl_where"] - parts["kl_what"]
    bits = 1 / (values * math.log(2))
    shown = {metric: parts[name] for name, metric in PARTS.items()}
    shown |= {
        "bound_frame": bound,
        "bits_dim": -bits * bound,
        "bits_floor": bits * parts[FLOOR],
    }
    length = np.full(len(person), float(frames))
    return ProtocolResult(
        {metric: float(value.sum() / length.sum()) for metric, value in shown.items()},
        {metric: ratio_interval(value, length, person) for metric, value in shown.items()},
    )
