"""Langevin dynamics on the codes of a batch of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lightning_modules.layers.noise import normal_noise

Misfit = Callable[[Tensor], Tensor]
"""Codes (B, D) -> how badly each sample is explained (B,), -log p(x | z) up to a constant."""

Noise = Callable[[int], Tensor]
"""Step number -> standard normal numbers (B, D)."""


def langevin(
    codes: Tensor,
    misfit: Misfit,
    *,
    steps: int,
    step_size: float,
    noise: Noise,
    blocks: Sequence[int] = (),
    even: Sequence[int] = (),
    quiet_from: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Move codes through steps of Langevin dynamics under a standard normal prior.

    Every step is ``z <- z - d^2/2 (grad misfit(z) + z) + d * noise`` (Han et al., AAAI 2017,
    eq. 8). There is no accept or reject, as in the papers. Works under `torch.inference_mode`, and
    leaves the gradients of all parameters alone.

    Args:
        codes: (B, D) to start from; not changed.
        misfit: of every sample, differentiable in the codes.
        steps: how many.
        step_size: d.
        noise: of a step.
        blocks: sizes that cut the codes into parts which are moved in turn within a step, each by
            the gradient where the others are now; empty moves all by one gradient.
        even: sizes that cut the codes into parts whose steps are made alike in length: in each, the
            gradient of a sample is divided by its root mean square, and the noise by the root of
            that (a preconditioner as in Li et al., AAAI 2016, of one number a part). Empty divides
            by nothing.
        quiet_from: the step from which on no noise is added; None for noise to the end.

    Returns:
        The last codes, and the mean of the codes after each step without noise (the last codes
        where there is none), both (B, D).
    """
    loud = steps if quiet_from is None else min(quiet_from, steps)
    parts = _columns(blocks or [codes.shape[1]])
    with torch.inference_mode(mode=False), torch.enable_grad():
        z = codes.detach().clone()
        total = torch.zeros_like(z)
        for step in range(steps):
            kick = noise(step) if step < loud else None
            for part in parts:
                (slope,) = torch.autograd.grad(misfit(z.requires_grad_(True)).sum(), z)
                z = z.detach().clone()
                slope = slope + z
                scale = _evenness(slope, even)
                z[:, part] -= step_size**2 / 2 * (scale * slope)[:, part]
                if kick is not None:
                    z[:, part] += step_size * (scale**0.5 * kick)[:, part]
            if kick is None:
                total += z
        return z, total / (steps - loud) if steps > loud else z


def chain_from_prior(
    misfit: Misfit,
    key: Tensor,
    *,
    size: int,
    steps: int,
    step_size: float,
    seed: int,
    chain: int = 0,
    to_mode: bool = False,
    blocks: Sequence[int] = (),
    even: Sequence[int] = (),
) -> Tensor:
    """Codes (B, size) of samples never seen, from a chain of each one's own.

    Args:
        misfit: of every sample.
        key: (B,) int64, what a sample's start and noise are numbered by.
        size: length of a code.
        steps: of the chain; the last fifth are without noise, and their mean is the code.
        step_size: of the steps.
        seed: of start and noise.
        chain: which of several independent tries.
        to_mode: start from zero and add no noise at all; the end of the climb is the code, the same
            in every chain.
        blocks: see `langevin`.
        even: see `langevin`.
    """

    def noise(step: int) -> Tensor:
        return normal_noise(seed, key, chain, step, size=size)

    last, quiet = langevin(
        torch.zeros(len(key), size, device=key.device) if to_mode else noise(steps),
        misfit,
        steps=steps,
        step_size=step_size,
        noise=noise,
        blocks=blocks,
        even=even,
        quiet_from=0 if to_mode else steps - steps // 5,
    )
    return last if to_mode else quiet


def _columns(sizes: Sequence[int]) -> list[slice]:
    stops = torch.tensor(sizes).cumsum(0).tolist()
    return [slice(stop - size, stop) for stop, size in zip(stops, sizes, strict=True)]


def _evenness(slope: Tensor, parts: Sequence[int]) -> Tensor:
    """What makes the gradient (B, D) of every part of every sample one of root mean square 1."""
    if not parts:
        return torch.ones_like(slope[:1, :1])
    pieces = torch.split(slope, list(parts), 1)
    scales = [1 / piece.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12) for piece in pieces]
    return torch.cat([s.expand_as(p) for s, p in zip(scales, pieces, strict=True)], 1)
