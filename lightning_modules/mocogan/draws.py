"""What is drawn for a batch: codes from the prior, stretches of clips, single frames.

Every draw is a function of (seed, sample, epoch), so that a resumed run repeats nothing, and a
sample's draws do not hang on the batch or the process it comes in.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lightning_modules.layers.noise import normal_noise
from lightning_modules.mocogan.network import ClipShape


class Draw(NamedTuple):
    """Codes of N clips from the prior, with two places in [0, 1) each.

    Shapes: ``content`` (N, D), ``category`` (N,) int64, ``start`` (N, M), ``noise`` (N, T, M),
    ``places`` (N, 2).
    """

    content: Tensor
    category: Tensor
    start: Tensor
    noise: Tensor
    places: Tensor


def draw(shape: ClipShape, frames: int, seed: int, index: Tensor, epoch: int, kind: int) -> Draw:
    """One draw for each of the samples ``index`` (N,) int64; ``kind`` tells several apart."""
    sizes = [shape.content_dim, 1, shape.motion_dim, frames * shape.motion_dim, 2]
    numbers = normal_noise(seed, index, epoch, kind, size=sum(sizes))
    content, category, start, noise, places = torch.split(numbers, sizes, 1)
    return Draw(
        content,
        slot(uniform(category[:, 0]), max(shape.categories, 1)),
        start,
        noise.reshape(-1, frames, shape.motion_dim),
        uniform(places),
    )


def uniform(normal: Tensor) -> Tensor:
    """Uniform numbers in [0, 1] of standard normal ones."""
    below: Tensor = torch.special.ndtr(normal)
    return below


def slot(place: Tensor, count: int) -> Tensor:
    """Which of ``count`` equal slots a place in [0, 1] falls into, int64."""
    # Rounded to single precision a place can be 1.
    return (place * count).long().clamp(max=count - 1)


def pace(frames: int, length: int, stride: int) -> int:
    """The largest stride up to ``stride`` at which ``length`` frames fit into ``frames``, or 1."""
    return max(1, min(stride, (frames - 1) // max(length - 1, 1)))


def stretches(clip: Tensor, place: Tensor, length: int, stride: int) -> Tensor:
    """A stretch (B, length, ...) of every clip (B, T, ...), every ``stride``-th frame.

    Clips too short for that are read at the largest stride that fits.

    Args:
        clip: (B, T, ...).
        place: (B,) in [0, 1], where among its possible beginnings each stretch begins.
        length: frames of a stretch.
        stride: from one of its frames to the next, at most.

    Raises:
        ValueError: a clip has less than ``length`` frames.
    """
    frames = clip.shape[1]
    if frames < length:
        raise ValueError(
            f"clips have {frames} frames, training reads {length}; "
            "give the dataset clips of that many frames or more"
        )
    step = pace(frames, length, stride)
    first = slot(place, frames - (length - 1) * step)
    which = first[:, None] + step * torch.arange(length, device=clip.device)
    return clip[torch.arange(len(clip), device=clip.device)[:, None], which]


def single(clip: Tensor, place: Tensor) -> Tensor:
    """One frame (B, ...) of every clip (B, T, ...), at ``place`` (B,) in [0, 1]."""
    return clip[torch.arange(len(clip), device=clip.device), slot(place, clip.shape[1])]


def phases(clip: Tensor, stride: int) -> Tensor:
    """Clips (B, T, ...) as ``stride`` clips each of every ``stride``-th frame.

    Returns:
        (B * stride, ceil(T / stride), ...); where that lacks frames, the last one is repeated.
    """
    lacking = -clip.shape[1] % stride
    if lacking:
        clip = torch.cat([clip, clip[:, -1:].expand(-1, lacking, *clip.shape[2:])], 1)
    length = clip.shape[1] // stride
    return clip.reshape(-1, length, stride, *clip.shape[2:]).transpose(1, 2).flatten(0, 1)


def rejoined(codes: Tensor, stride: int, frames: int) -> Tensor:
    """The inverse of `phases`: (B * stride, T', D) -> (B, frames, D)."""
    by_phase = codes.reshape(-1, stride, *codes.shape[1:])
    return by_phase.transpose(1, 2).flatten(1, 2)[:, :frames]
