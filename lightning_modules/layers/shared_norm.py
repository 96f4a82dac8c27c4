"""Batch normalisation over a batch that several processes share, on any device.

torch's own `SyncBatchNorm` does the same, faster, on GPUs only. This one is for processes on the
CPU, so that what several processes learn can be compared there with what one learns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lightning_modules.layers.processes import processes, sum_over_processes


class SharedBatchNorm(_BatchNorm):
    """Normalises by mean and variance of all processes' batches together.

    Arguments and shapes are those of `torch.nn.BatchNorm2d`, of any number of dimensions.
    """

    def forward(self, values: Tensor) -> Tensor:
        """Normalise (B, C, ...); statistics are shared in training only."""
        _, parts = processes()
        if parts == 1 or not self.training:
            alone: Tensor = super().forward(values)
            return alone
        dims = [0, *range(2, values.dim())]
        shape = [1, -1, *[1] * (values.dim() - 2)]
        count = values.numel() // values.shape[1] * parts
        # Twice, for the difference of two sums of squares is a poor variance.
        mean = sum_over_processes(values.sum(dims)) / count
        away = values - mean.view(shape)
        variance = sum_over_processes(away.square().sum(dims)) / count
        if self.track_running_stats and self.running_mean is not None:
            self._follow(mean.detach(), variance.detach() * count / max(count - 1, 1))
        out: Tensor = away * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"batch normalisation is of (B, C, ...), not of {list(input.shape)}")


def share_norms(module: nn.Module) -> None:
    """Replace all of a module's batch normalisations in place; weights and their names stay."""
    for name, child in module.named_children():
        share_norms(child)
        if isinstance(child, _BatchNorm) and not isinstance(child, SharedBatchNorm):
            made = SharedBatchNorm(
                child.num_features,
                child.eps,
                child.momentum,
                child.affine,
                child.track_running_stats,
            )
            made.__dict__.update(
                {key: child.__dict__[key] for key in ("_parameters", "_buffers", "training")}
            )
            setattr(module, name, made)
