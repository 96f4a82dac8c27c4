"""What is of a whole batch, where several processes share it; alone, a process is the whole.

Each has an even part of every batch, in the order of ranks. Gradients are averaged over processes,
so a loss that is a mean over pictures needs nothing of this. Draws, and whatever looks across the
batch, do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn import functional as dist_nn


def processes() -> tuple[int, int]:
    """This process's rank, and how many share a batch."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def shared(draw: Callable[[int], Tensor], rows: int, dim: int = 0) -> Tensor:
    """This process's rows of what torch's generator draws for the whole batch.

    Every process draws the numbers of all, from generators that are seeded alike, and takes its
    own; so the rows are those that a single process would draw.

    Args:
        draw: gives so many rows.
        rows: of this process.
        dim: where in what is drawn the rows are.
    """
    rank, count = processes()
    return draw(rows) if count == 1 else draw(rows * count).narrow(dim, rank * rows, rows)


def normal_like(values: Tensor) -> Tensor:
    """`torch.randn_like` of a part of a batch; its samples come first."""
    return shared(lambda n: torch.randn_like(_filled(values, n)), len(values))


def uniform_like(values: Tensor) -> Tensor:
    """`torch.rand_like` of a part of a batch; its samples come first."""
    return shared(lambda n: torch.rand_like(_filled(values, n)), len(values))


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a statistic that each has of its part; no gradient goes through it."""
    _, count = processes()
    if count == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / count


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of what each has, through which gradients go back to all of them."""
    total: Tensor = dist_nn.all_reduce(value)  # type: ignore[no-untyped-call]
    return total


def next_of_batch(values: Tensor) -> Tensor:
    """Of every sample of ``values`` (B, ...) the next one of the whole batch.

    Of its last one that is its first. Gradients go back to where each comes from.
    """
    rank, count = processes()
    first = values[:1]
    if count > 1:
        # A sum in which each has a place of its own, for its gradient is known to all backends.
        places = [first if place == rank else torch.zeros_like(first) for place in range(count)]
        first = sum_over_processes(torch.stack(places))[(rank + 1) % count]
    return torch.cat([values[1:], first])


def _filled(values: Tensor, rows: int) -> Tensor:
    have = len(values)
    return values if rows == have else torch.cat([values.detach()] * (rows // have))
