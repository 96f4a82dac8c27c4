"""Codes that every training sample keeps between its visits."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from lightning_modules.layers.noise import normal_noise

_START = -1


class CodeBank:
    """Persistent codes by a sample's id; whoever has no code yet draws one from the prior.

    The first code of a sample hangs on seed and id alone, so the order of visits and the number of
    processes do not matter. The bank is neither parameter nor buffer: Lightning would overwrite it
    on every rank by that of rank 0. Each rank holds all of it, and `write` keeps them equal.

    Args:
        size: length of a code.
        seed: of the first codes.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size, self.seed = size, seed
        self.codes = torch.empty(0, size)

    def read(self, index: Tensor) -> Tensor:
        """Codes (B, size) of samples (B,), on their device."""
        self._grow(int(index.max()) + 1)
        return self.codes[index.cpu()].to(index.device)

    def write(self, index: Tensor, codes: Tensor) -> None:
        """Keep new codes (B, size) of samples (B,): this process's, and all others' too.

        Where processes hold the same sample, as in a batch filled up to a full one, all of them
        keep the code of the last of those processes.
        """
        index, codes = index.detach(), codes.detach().float()
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            index, codes = _gathered(index), _gathered(codes)
        index, codes = index.cpu(), codes.cpu()
        self._grow(int(index.max()) + 1)
        # One write a sample: what an index_put of doubles leaves is not defined.
        last = dict(zip(index.tolist(), range(len(index)), strict=True))
        self.codes[list(last)] = codes[list(last.values())]

    def clear(self) -> None:
        """Forget every code."""
        self.codes = self.codes[:0]

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps: tensors only, so that it loads with ``weights_only``."""
        return {"codes": self.codes}

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            ValueError: its codes have another length.
        """
        codes = state["codes"]
        if codes.ndim != 2 or codes.shape[1] != self.size:
            raise ValueError(
                f"the checkpoint's bank holds codes of shape {list(codes.shape)}, this model's "
                f"have {self.size} numbers; was it written with other arguments?"
            )
        self.codes = codes.detach().cpu().float().clone()

    def _grow(self, wanted: int) -> None:
        have = len(self.codes)
        if wanted > have:
            fresh = normal_noise(self.seed, torch.arange(have, wanted), _START, size=self.size)
            self.codes = torch.cat([self.codes, fresh])


class KeepsBank:
    """Lightning's hooks that take a method's `CodeBank` through checkpoints; mix it in first."""

    bank: CodeBank

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the bank, which is no buffer."""
        checkpoint["code_bank"] = self.bank.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up the bank."""
        if "code_bank" in checkpoint:
            self.bank.load(checkpoint["code_bank"])


def _gathered(values: Tensor) -> Tensor:
    """The rows of all processes, in the order of their ranks; counts may differ."""
    count = torch.tensor([len(values)], device=values.device)
    counts = [torch.zeros_like(count) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, count)
    most = int(max(counts))
    padded = values.new_zeros(most, *values.shape[1:])
    padded[: len(values)] = values
    rows = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(rows, padded)
    return torch.cat([r[: int(n)] for r, n in zip(rows, counts, strict=True)])
