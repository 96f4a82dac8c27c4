"""Normal noise as a function of counters: the same numbers in any batch, order and process.

Every number is SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014) of a key made from
the counters, turned normal by Box and Muller's transform. Nothing is stored, so nothing has to be
restored when a run goes on after a kill, and the number of processes does not matter.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed number
_FIRST = -4658895280553007687  # 0xBF58476D1CE4E5B9
_SECOND = -7723592293110705685  # 0x94D049BB133111EB
_LOW = (1 << 32) - 1


def normal_noise(seed: int, index: Tensor, *counters: int, size: int) -> Tensor:
    """Standard normal numbers that hang on the counters alone.

    Args:
        seed: of the run.
        index: (B,) int64, what the rows are numbered by, e.g. a sample's id.
        counters: further numbers, e.g. epoch and step.
        size: numbers a row.

    Returns:
        (B, size) float32 on the device of ``index``.
    """
    key = _mixed(index.new_tensor(seed))
    for counter in (*(index.new_tensor(c) for c in counters), index):
        key = _mixed(key + (counter + 1) * _GOLDEN)
    half = (size + 1) // 2
    column = torch.arange(1, half + 1, device=index.device) * _GOLDEN
    bits = _mixed(key.view(-1, 1) + column)
    radius = ((_shifted(bits, 32) + 0.5) * 2.0**-32).log_().mul_(-2).sqrt_()
    angle = (bits & _LOW) * (2.0**-32 * 2 * math.pi)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], 1)[:, :size]


def _mixed(value: Tensor) -> Tensor:
    """SplitMix64's output function; int64 products wrap around as its unsigned ones do."""
    value = (value ^ _shifted(value, 30)) * _FIRST
    value = (value ^ _shifted(value, 27)) * _SECOND
    return value ^ _shifted(value, 31)


def _shifted(value: Tensor, bits: int) -> Tensor:
    """Logical shift to the right; torch's own carries the sign along."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def content_key(image: Tensor) -> Tensor:
    """A number (B,) int64 made of each picture (B, C, H, W) in [0, 1], for `normal_noise`.

    Noise keyed by it is the same for a picture in whatever batch it comes.
    """
    values = (image.detach() * 255).round().long().flatten(1)
    places = torch.arange(1, values.shape[1] + 1, device=image.device) * _GOLDEN
    return _mixed(values * _mixed(places)).sum(1)
