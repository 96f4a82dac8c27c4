"""Diagonal Gaussians and the evidence bound of clips (Helminger et al. 2018, section 2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_EXTREME = 10.0
"""Log-variances are cut at plus and minus this; the paper says nothing."""


class Gaussian(NamedTuple):
    """Diagonal normal distributions: ``mean`` and ``log_variance``, (..., D) each."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Values made of standard normal ``noise``, differentiable in both parameters."""
        return self.mean + (0.5 * self.log_variance).exp() * noise


def gaussian(raw: Tensor) -> Gaussian:
    """The distributions that a network's outputs (..., 2 D) stand for, mean first."""
    mean, log_variance = raw.chunk(2, -1)
    return Gaussian(mean, log_variance.clamp(-_EXTREME, _EXTREME))


def kl(posterior: Gaussian, prior: Gaussian | None = None) -> Tensor:
    """KL(posterior || prior) of every dimension (..., D), nats; the prior is N(0, I) if not given.

    The two may differ by dimensions to expand.
    """
    mean, log_variance = posterior
    if prior is None:
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    gap = (mean - prior.mean).square() + log_variance.exp()
    return 0.5 * (prior.log_variance - log_variance + gap / prior.log_variance.exp() - 1)


def log_bernoulli(logits: Tensor, image: Tensor) -> Tensor:
    """Log p(image | logits) in nats (N,) of pictures (N, C, H, W) in [0, 1], over all values.

    A value between 0 and 1 is taken as the probability of a 1: the paper's choice, also for colour.
    It is no density of such values: the best a picture can reach is minus its entropy, not 0.
    """
    misfit = F.binary_cross_entropy_with_logits(logits, image, reduction="none")
    return -misfit.flatten(1).sum(1)


class Bound(NamedTuple):
    """The evidence bound of B clips of T frames, before anything is summed.

    Shapes: ``log_likelihood`` (B, T) nats; ``kl_where`` (B, T, Dz) and ``kl_what`` (B, Df) nats a
    dimension.
    """

    log_likelihood: Tensor
    kl_where: Tensor
    kl_what: Tensor

    def parts(self) -> dict[str, Tensor]:
        """``reconstruction``, ``kl_where`` and ``kl_what``, (B,) each, as in `HasClipBound`."""
        return {
            "reconstruction": self.log_likelihood.sum(1),
            "kl_where": self.kl_where.flatten(1).sum(1),
            "kl_what": self.kl_what.sum(1),
        }


def joined(bounds: list[Bound]) -> Bound:
    """One bound of the clips of several."""
    return Bound(*(torch.cat(parts) for parts in zip(*bounds, strict=True)))
