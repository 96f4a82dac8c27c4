"""What a frozen encoder says of the frames of clips, said once.

An encoder that does not change says the same of a clip in every epoch, so its answers are kept: not
in a checkpoint, for a resumed run asks again and hears the same.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lightning_modules.dynamics.tracking import of_fields
from lightning_modules.interface import Particles

Encode = Callable[[Tensor], Particles]


class Answers:
    """Particles of clips by the clips' numbers, of one split."""

    def __init__(self) -> None:
        self._known = torch.zeros(0, dtype=torch.bool)
        self._kept: Particles | None = None

    def of(self, clip: Tensor, index: Tensor, encode: Encode) -> Particles:
        """Particles (B, T, K, ...) of clips, asking only for those that are new.

        Args:
            clip: (B, T, C, H, W).
            index: (B,) int64, numbers that stand for the clips' content.
            encode: gives particles (N, T, K, ...) of clips (N, T, C, H, W).
        """
        self._grow(int(index.max()) + 1)
        new = ~self._known[index.cpu()]
        if bool(new.any()):
            rows = new.nonzero().squeeze(1).to(clip.device)
            found = encode(clip[rows])
            self._keep(found, index[rows])
        assert self._kept is not None
        return of_fields(lambda field: field[index], self._kept)

    def _grow(self, size: int) -> None:
        more = size - len(self._known)
        if more <= 0:
            return
        self._known = torch.cat([self._known, self._known.new_zeros(more)])
        if self._kept is not None:
            self._kept = of_fields(
                lambda f: torch.cat([f, f.new_zeros(more, *f.shape[1:])]), self._kept
            )

    def _keep(self, found: Particles, index: Tensor) -> None:
        if self._kept is None:
            size = len(self._known)
            self._kept = of_fields(lambda f: f.new_zeros(size, *f.shape[1:]), found)
        for kept, field in zip(self._kept, found, strict=True):
            if kept is not None and field is not None:
                kept[index] = field
        self._known[index.cpu()] = True
