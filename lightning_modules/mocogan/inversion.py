"""Codes of a clip by gradient descent on the codes: the generator is run backwards.

What is moved is what the prior speaks of, the noise that drives the cell, its first state, the
content and the logits of the category; the weights of the generator stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lightning_modules.mocogan.network import ClipGenerator, repeated
from lightning_modules.mocogan.regressor import Found

_TRACE_STEPS = 100
_TRACE_RATE = 0.1
_TRACE_VARIANCE = 1e-3


def invert(
    generator: ClipGenerator,
    clip: Tensor,
    start: Found,
    *,
    steps: int,
    rate: float,
    sigma: float,
    features: Callable[[Tensor], Tensor] | None = None,
    feature_weight: float = 0.0,
) -> Found:
    """The most probable codes near a start, of clips with noise of pixels.

    Minimises, for every clip apart, the squared error over 2 sigma^2 plus half the squared length
    of noise, first state and content, by Adam whose rate falls linearly to zero. Works under
    `torch.inference_mode`, and leaves the gradients of all parameters alone. The generator should
    be in evaluation mode.

    Args:
        generator: whose codes they are.
        clip: (N, T, C, S, S) in [0, 1].
        start: motion (N, T, M), content and category (B, ...) with B a divisor of N: as many clips
            in a row have the same content.
        steps: of the descent.
        rate: of Adam, at the start.
        sigma: standard deviation of the noise of pixels in [0, 1].
        features: of frames (n, C, S, S), whose squared error is added.
        feature_weight: times this.

    Returns:
        Codes shaped as those of the start.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        clip = clip.detach().clone()
        first, noise = trace(generator, start.motion)
        content, category = _free(start.content), _free(start.category)
        share = len(clip) // len(content)

        def paint() -> Tensor:
            static = torch.cat([content, category.softmax(1)], 1).repeat_interleave(share, 0)
            where = generator.path(first, noise)
            painted: Tensor = generator(where, repeated(static, clip.shape[1]))
            return painted

        wanted = None
        if features is not None and feature_weight:
            with torch.no_grad():
                wanted = features(clip.flatten(0, 1))

        def energy() -> Tensor:
            painted = paint()
            misfit = (painted - clip).square().sum() / (2 * sigma**2)
            if features is not None and wanted is not None:
                misfit = misfit + feature_weight * (
                    (features(painted.flatten(0, 1)) - wanted).square().sum()
                )
            squares = first.square().sum() + noise.square().sum() + content.square().sum()
            return misfit + squares / 2

        _descend([first, noise, content, category], energy, steps, rate)
        motion = generator.path(first, noise)
    return Found(motion.detach(), content.detach(), category.detach())


def trace(generator: ClipGenerator, motion: Tensor) -> tuple[Tensor, Tensor]:
    """First state (N, M) and noise (N, T, M) whose path is near motion codes (N, T, M).

    Nothing is painted for it; the noise stays as small as it can.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        motion = motion.detach().clone()
        first, noise = _free(motion[:, 0]), _free(torch.zeros_like(motion))

        def energy() -> Tensor:
            gap = (generator.path(first, noise) - motion).square().sum()
            return gap / (2 * _TRACE_VARIANCE) + (first.square().sum() + noise.square().sum()) / 2

        _descend([first, noise], energy, _TRACE_STEPS, _TRACE_RATE)
    return first, noise


def _descend(
    codes: Sequence[Tensor], energy: Callable[[], Tensor], steps: int, rate: float
) -> None:
    # Adam moves every number by itself, so a clip's codes do not hang on the others in the batch.
    optimizer = torch.optim.Adam(codes, lr=rate)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        for code, slope in zip(codes, torch.autograd.grad(energy(), codes), strict=True):
            code.grad = slope
        optimizer.step()


def _free(start: Tensor) -> Tensor:
    """A copy that gradients can be taken of."""
    return start.detach().clone().requires_grad_(True)
