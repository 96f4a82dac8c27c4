"""Codes and small frames of some clips of a split, and clips painted of codes that are mixed.

Methods for clips and for pictures alike (see `benchmarks.protocols.clip_codes`). Splits may be
large: so many clips are taken, evenly over the split, that they have at most `FRAMES` frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.protocols.clip_codes import Array, describe
from benchmarks.protocols.frame_judge import looked_at
from benchmarks.protocols.outputs import as_tensor
from benchmarks.protocols.sequence_labels import TARGETS, distinct, known
from datamodules.clips import ClipDataset
from datamodules.interface import DataModule
from lightning_modules.interface import Codes, HasClipDecoder, HasPrior, Method

FRAMES: Final = 16_384
"""Frames of a split that are looked at, at most; whole clips of them."""
AT_ONCE: Final = 512
"""Frames that a method is given at a time."""

Painter = Callable[[Tensor, Tensor], Tensor]
Also = Callable[[Tensor], dict[str, Tensor]]


class Gathered(NamedTuple):
    """N clips of T frames.

    Args:
        codes: ``where`` (N, T, Dz) and ``what`` (N, T, Df) as far as there are, on the device; an
            entangled code is one tensor under both names.
        frames: (N, T, 3, S, S) uint8 on the CPU, as the judge looks at them.
        labels: as batches have them, N first.
        also: what else was asked of every batch.
    """

    codes: dict[str, Tensor]
    frames: Tensor
    labels: dict[str, Array]
    also: dict[str, Array]

    @property
    def entangled(self) -> bool:
        """Whether *where* and *what* are one code."""
        return self.codes.get("where") is self.codes.get("what")

    @property
    def split_codes(self) -> tuple[Tensor, Tensor] | None:
        """*Where* and *what*, or None where a method has not two codes."""
        if self.entangled or len(self.codes) < 2:
            return None
        return self.codes["where"], self.codes["what"]

    @property
    def person(self) -> Array:
        """Who each clip is of, (N,); every clip its own where nobody says."""
        return self.labels.get("identity", np.arange(len(self.frames)))

    def only(self, kept: Array) -> Gathered:
        """Some of the clips, by a mask (N,)."""
        rows = torch.from_numpy(np.flatnonzero(kept))
        codes = {name: code[rows.to(code.device)] for name, code in self.codes.items()}
        if self.entangled:
            codes["what"] = codes["where"]
        labels = {name: value[kept] for name, value in self.labels.items()}
        also = {name: value[kept] for name, value in self.also.items() if len(value) == len(kept)}
        return Gathered(codes, self.frames[rows], labels, also)


@torch.no_grad()
def gather(
    method: Method,
    data: DataModule,
    split: str,
    device: torch.device,
    *,
    most: int = FRAMES,
    also: Also = lambda clip: {},
) -> Gathered:
    """Run a frozen method over clips of a split, in order.

    Args:
        method: on the device, in evaluation mode.
        data: hands out clips already.
        split: its name.
        device: to compute on.
        most: frames that are taken, at most; one clip always is.
        also: asked of every batch of clips (B, T, C, H, W); gives values by name, B first.

    Raises:
        NotApplicableError: the method has no codes.
        ValueError: some are not finite; says which, and of how many clips.
    """
    dataset, _ = data.handed_out(split)
    assert isinstance(dataset, ClipDataset)
    total, length = len(dataset), dataset.clip_shape[0]
    taken = max(1, min(total, most // length))
    chosen = torch.zeros(total, dtype=torch.bool)
    chosen[torch.linspace(0, total - 1, taken).round().long()] = True
    codes: dict[str, list[Tensor]] = {}
    asked: dict[str, list[Array]] = {}
    labels: dict[str, list[Array]] = {}
    frames, entangled, before = [], False, 0
    for loaded in data.eval_dataloader(split, max(1, AT_ONCE // length)):
        here = chosen[before : before + len(loaded["index"])]
        before += len(here)
        if not here.any():
            continue
        batch = data.to_batch({key: value[here] for key, value in loaded.items()}, device)
        found = describe(method, batch["clip"], field=False)
        entangled = found.get("where") is found.get("what")
        for name, value in found.items():
            codes.setdefault(name, []).append(value.float())
        for name, value in also(batch["clip"]).items():
            asked.setdefault(name, []).append(value.double().cpu().numpy())
        frames.append(looked_at(batch["clip"]).cpu())
        for name, value in batch.items():
            if name != "clip":
                labels.setdefault(name, []).append(value.cpu().numpy())
    joined = {name: torch.cat(parts) for name, parts in codes.items()}
    if entangled:
        joined["what"] = joined["where"]
    for name, values in joined.items():
        bad = int((~torch.isfinite(values)).flatten(1).any(1).sum())
        if bad:
            raise ValueError(
                f"{type(method).__name__} gave non-finite '{name}' for {bad} of {len(values)} "
                f"clips of split '{split}'; did its training diverge?"
            )
    return Gathered(
        joined,
        torch.cat(frames),
        {name: np.concatenate(parts) for name, parts in labels.items()},
        {name: np.concatenate(parts) for name, parts in asked.items()},
    )


@torch.no_grad()
def real_frames(
    data: DataModule, split: str, device: torch.device, *, seed: int, most: int = FRAMES
) -> tuple[Tensor, dict[str, Array]]:
    """Frames (N, M, 3, S, S) uint8 of all N clips of a split, as the judge sees them, and labels.

    As many moments of each, at random, as make ``most`` frames: a judge has to know many people.
    Labels are those of `known`, of frames (N, M, ...) or of clips (N, ...). Clips that show a class
    of digits twice are left out.
    """
    dataset, _ = data.handed_out(split)
    assert isinstance(dataset, ClipDataset)
    length = dataset.clip_shape[0]
    count = max(1, min(length, most // len(dataset)))
    generator = torch.Generator().manual_seed(seed)
    frames, labels = [], dict[str, list[Array]]()
    for loaded in data.eval_dataloader(split, max(1, AT_ONCE // length)):
        rows = torch.arange(len(loaded["index"]))[:, None]
        moments = torch.rand(len(rows), length, generator=generator).argsort(1)[:, :count]
        batch = data.to_batch(loaded | {"clip": loaded["clip"][rows, moments]}, device)
        kept = distinct({key: value.cpu().numpy() for key, value in batch.items()})
        frames.append(looked_at(batch["clip"]).cpu()[torch.from_numpy(kept)])
        for name, value in known(
            {key: value.cpu().numpy() for key, value in batch.items() if key != "clip"}
        ).items():
            of_frames = TARGETS[name].side == "where" and value.ndim > 1
            picked = value[rows.numpy(), moments.numpy()] if of_frames else value
            labels.setdefault(name, []).append(picked[kept])
    return torch.cat(frames), {name: np.concatenate(parts) for name, parts in labels.items()}


def painter(method: Method) -> Painter | None:
    """What paints clips (B, T, C, H, W) in [0, 1] of *where* and *what* (B, T, D), if it can.

    A method for pictures paints frame by frame, if its codes are flat (`HasPrior`).
    """
    if isinstance(method, HasClipDecoder):

        def of_clips(where: Tensor, what: Tensor) -> Tensor:
            painted = method.decode_clip(Codes(where, what))
            return as_tensor(method, "decode_clip", painted, *where.shape[:2], None, None, None)

        paint: Painter = of_clips
    elif isinstance(method, HasPrior):

        def of_frames(where: Tensor, what: Tensor) -> Tensor:
            painted = method.decode(Codes(where.flatten(0, 1), what.flatten(0, 1)))
            count = len(where) * where.shape[1]
            as_tensor(method, "decode", painted, count, None, None, None)
            return painted.view(*where.shape[:2], *painted.shape[1:])

        paint = of_frames
    else:
        return None

    def in_parts(where: Tensor, what: Tensor) -> Tensor:
        clips = max(1, AT_ONCE // where.shape[1])
        parts = zip(torch.split(where, clips), torch.split(what, clips), strict=True)
        painted = torch.cat([paint(*part).float() for part in parts])
        if not torch.isfinite(painted).all():
            raise ValueError(f"{type(method).__name__} paints clips that are not finite")
        return painted.clamp(0, 1)

    return in_parts
