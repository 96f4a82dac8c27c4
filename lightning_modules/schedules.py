"""Learning rates over a run."""

from __future__ import annotations

from collections.abc import Sequence

from pytorch_lightning.utilities.types import LRSchedulerConfigType, OptimizerLRScheduler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

_LAST_FIFTH = 0.2


def halving(
    optimizer: Optimizer, steps: int, at: Sequence[float] = (0.5, 0.75)
) -> OptimizerLRScheduler:
    """A rate that is halved at parts of the run.

    Args:
        optimizer: whose rates are multiplied.
        steps: of the whole run.
        at: where, as fractions of it.
    """

    def factor(step: int) -> float:
        return float(0.5 ** sum(step >= part * steps for part in at))

    schedule: LRSchedulerConfigType = {
        "scheduler": LambdaLR(optimizer, factor),
        "interval": "step",
    }
    return {"optimizer": optimizer, "lr_scheduler": schedule}


def trapezoid(optimizer: Optimizer, steps: int, warmup: int = 1) -> OptimizerLRScheduler:
    """A linear warm-up, a constant rate, and a linear fall to zero over the last fifth.

    Args:
        optimizer: whose rates are multiplied.
        steps: of the whole run.
        warmup: steps of the warm-up.
    """

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / warmup, max(0.0, 1 - step / steps) / _LAST_FIFTH)

    schedule: LRSchedulerConfigType = {
        "scheduler": LambdaLR(optimizer, factor),
        "interval": "step",
    }
    return {"optimizer": optimizer, "lr_scheduler": schedule}
