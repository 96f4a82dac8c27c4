"""Chamfer-KL between two unordered sets of Gaussians, and the KL of appearance (DLP, section 3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def pairwise_position_kl(
    mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_sigma: float
) -> Tensor:
    """KL(q_i || p_j) of every particle against every proposal, summed over the two axes.

    Args:
        mean: particles (B, K, 2).
        log_variance: (B, K, 2).
        prior_mean: proposals (B, L, 2).
        prior_sigma: their constant standard deviation.

    Returns:
        (B, K, L), nats.
    """
    log_t2 = 2 * math.log(prior_sigma)
    spread = log_t2 - log_variance - 1 + (log_variance - log_t2).exp()  # (B, K, 2)
    distance = (mean.unsqueeze(2) - prior_mean.unsqueeze(1)).square().sum(-1)
    return 0.5 * (spread.sum(-1).unsqueeze(2) + distance / prior_sigma**2)


def chamfer_kl(
    mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_sigma: float
) -> Tensor:
    """Chamfer-KL (DLP, eq. 2): nearest proposal of each particle plus nearest particle of each.

    The order of the arguments is KL(q_i || p_j) in both sums. Returns the mean over the batch of
    the sum over both sets, nats.
    """
    kl = pairwise_position_kl(mean, log_variance, prior_mean, prior_sigma)
    return (kl.amin(2).sum(1) + kl.amin(1).sum(1)).mean()


def matched_kl(
    mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_sigma: float
) -> Tensor:
    """KL of particle i to proposal i, as if the sets had an order, nats: the authors' comparison.

    Arguments as of `chamfer_kl`, with K = L. Returns the mean over the batch of the sum over K.
    """
    log_t2 = 2 * math.log(prior_sigma)
    excess = log_variance - log_t2
    distance = (mean - prior_mean).square() / prior_sigma**2
    return 0.5 * (excess.exp() - excess - 1 + distance).flatten(1).sum(1).mean()


def feature_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL to N(0, I) of particle features (B, K, d): summed over K and d, mean over B, nats."""
    kl = 0.5 * (log_variance.exp() + mean.square() - 1 - log_variance)
    return kl.flatten(1).sum(1).mean()


def psnr(reconstruction: Tensor, image: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB over the whole batch, unclamped, for the range [0, 1]."""
    return -10 * torch.log10((reconstruction - image).square().mean())
