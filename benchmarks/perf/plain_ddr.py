"""DDR's bound as the paper reads, frame by frame and pair by pair: what speed is measured against.

Weights are shared with the suite's own network. `tests/benchmarks/perf` holds that both give the
same bound and gradients.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.ddr.network import DDRNetwork, Noise

_EXTREME = 10.0


class PlainDDR:
    """The negative bound of a batch of clips, with the layers of appendix C one after the other.

    Args:
        network: whose weights are used; it compares every two frames once and concatenates.
    """

    def __init__(self, network: DDRNetwork) -> None:
        if (network.pairing, network.aggregate) != ("once", "concatenate"):
            raise ValueError("the plain reference compares frames once and concatenates")
        self.network = network

    def loss(self, clip: Tensor, noise: Noise) -> Tensor:
        """Minus the bound, mean over clips (B, N, C, S, S)."""
        network = self.network
        frames = clip.unbind(1)
        maps = [network.encoder(frame) for frame in frames]
        pairs = [
            F.relu(network.pair(torch.cat([a, b], 1))) for a, b in itertools.combinations(maps, 2)
        ]
        mean_f, log_f = _split(network.common(torch.cat(pairs, 1)))
        f = mean_f + (log_f / 2).exp() * noise.what
        total = 0.5 * (mean_f**2 + log_f.exp() - 1 - log_f).sum(1)
        mean_p, log_p = _split(network.of_static(f))
        for frame, h, kick in zip(frames, maps, noise.where.unbind(1), strict=True):
            mean_z, log_z = _split(network.of_frame(torch.cat([f, h.flatten(1)], 1)))
            z = mean_z + (log_z / 2).exp() * kick
            logits = network.decoder(torch.cat([f, z], 1))
            misfit = F.binary_cross_entropy_with_logits(logits, frame, reduction="none")
            gap = ((mean_z - mean_p) ** 2 + log_z.exp()) / log_p.exp()
            total = total + misfit.sum((1, 2, 3)) + 0.5 * (log_p - log_z + gap - 1).sum(1)
        return total.mean()


def _split(raw: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_variance = raw.chunk(2, 1)
    return mean, log_variance.clamp(-_EXTREME, _EXTREME)
