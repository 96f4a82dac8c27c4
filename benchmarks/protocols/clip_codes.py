"""What a frozen method says of every frame of a clip, whether it was made for clips or pictures.

A method for clips encodes them whole; one for pictures is asked frame by frame. So a table of clips
has rows of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.protocols.interface import NotApplicableError
from benchmarks.protocols.kept import kept
from benchmarks.protocols.outputs import as_tensor, codes_of, keypoints_of
from datamodules.interface import DataModule
from lightning_modules.interface import (
    Codes,
    HasClipCodes,
    HasClipField,
    HasCodes,
    HasDeformation,
    HasKeypoints,
    Method,
)

CELL: Final = 4
"""Side of the squares that a field is averaged over before anything reads it, pixels."""
CLIPS: Final = 16
_FRAMES: Final = 256

Array = np.ndarray


class Collected(NamedTuple):
    """What a method says of the N clips (or pictures) of a split, and their labels.

    ``codes`` holds ``where``, ``what`` and ``field`` as far as the method has them, float32 on the
    device, N first; an entangled code stands under ``where`` and ``what``, the same tensor.
    """

    codes: dict[str, Tensor]
    labels: dict[str, Array]

    @property
    def entangled(self) -> bool:
        """Whether *where* and *what* are one code."""
        return self.codes.get("where") is self.codes.get("what")


@contextmanager
def as_clips(data: DataModule) -> Iterator[None]:
    """Within the block the data hands out clips; behind it pictures, which figures are drawn of.

    Raises:
        DataError: the dataset has no clips.
    """
    data.hand_out("clips")
    try:
        yield
    finally:
        data.hand_out("pictures")


def describe(method: Method, clip: Tensor, *, field: bool = True) -> dict[str, Tensor]:
    """All that a method says of the frames of ``clip`` (B, T, C, H, W), each (B, T, D).

    ``field``, if wanted, is averaged over squares of `CELL` pixels: 512 numbers a frame of 64 px.

    Raises:
        NotApplicableError: it says nothing.
    """
    if isinstance(method, HasClipCodes):
        codes = codes_of(method, "encode_clip", method.encode_clip(clip), *clip.shape[:2])
        found = _named(codes, 2)
        if field and isinstance(method, HasClipField):
            moved = method.clip_field(codes.where)
            as_tensor(method, "clip_field", moved, *clip.shape[:2], 2, None, None)
            found["field"] = pooled(moved.flatten(0, 1)).view(*moved.shape[:2], -1)
        return found
    frames = torch.split(clip.flatten(0, 1), _FRAMES)
    parts = [describe_pictures(method, part, field=field) for part in frames]
    return _joined(parts, lambda rows: rows.view(*clip.shape[:2], -1))


def describe_pictures(method: Method, image: Tensor, *, field: bool = True) -> dict[str, Tensor]:
    """All that a method says of pictures ``image`` (B, C, H, W), each (B, D).

    Points are *where* with the logarithm of their variance, if there is one.

    Raises:
        NotApplicableError: it says nothing.
    """
    found = {}
    if isinstance(method, HasCodes):
        found = _named(codes_of(method, "encode", method.encode(image), len(image)), 1)
    if isinstance(method, HasKeypoints):
        points = [part.flatten(1) for part in keypoints_of(method, image) if part is not None]
        found["where"] = torch.cat(points, 1)
    if field and isinstance(method, HasDeformation):
        moved = method.deformation(image)
        found["field"] = pooled(as_tensor(method, "deformation", moved, len(image), 2, None, None))
    if not found:
        raise NotApplicableError(f"{type(method).__name__} has neither codes, points nor a field")
    return found


def pooled(field: Tensor) -> Tensor:
    """Fields (B, 2, H, W) as (B, 2 H W / CELL^2), the means of squares of `CELL` pixels."""
    return F.adaptive_avg_pool2d(field, max(1, field.shape[-1] // CELL)).flatten(1)


def _whole(codes: Tensor) -> Tensor:
    return codes


@torch.no_grad()
def collect(
    method: Method,
    data: DataModule,
    split: str,
    device: torch.device,
    *,
    reduce: Callable[[Tensor], Tensor] = _whole,
    field: bool = True,
) -> Collected:
    """Run a frozen method over one split of clips or of pictures, in order.

    Args:
        method: on the device, in evaluation mode.
        data: hands out clips or pictures already.
        split: its name.
        device: to compute on.
        reduce: applied to the codes (B, T, D) or (B, D) of each batch; what is left of them
            outlives a kill, see `benchmarks.protocols.kept`.
        field: also ask for it; it may cost another inference.

    Raises:
        NotApplicableError: the method has no codes.
        ValueError: some are not finite; says which, and of how many clips.
    """
    parts: list[dict[str, Tensor]] = []
    labels: dict[str, list[Array]] = {}
    for loaded in data.eval_dataloader(split, CLIPS):
        batch = data.to_batch(loaded, device)
        seen = batch["clip" if "clip" in batch else "image"]
        parts.append(kept(_reduced, method, seen, reduce, field=field))
        for name, value in batch.items():
            if name not in ("clip", "image"):
                labels.setdefault(name, []).append(value.cpu().numpy())
    codes = _joined(parts, lambda rows: rows)
    for name, values in codes.items():
        bad = int((~torch.isfinite(values)).flatten(1).any(1).sum())
        if bad:
            raise ValueError(
                f"{type(method).__name__} gave non-finite '{name}' for {bad} of {len(values)} "
                f"samples of split '{split}'; did its training diverge?"
            )
    return Collected(codes, {name: np.concatenate(value) for name, value in labels.items()})


def _reduced(
    method: Method, seen: Tensor, reduce: Callable[[Tensor], Tensor], *, field: bool
) -> dict[str, Tensor]:
    """All that a method says of clips (B, T, C, H, W) or pictures (B, C, H, W), made smaller."""
    said = (describe if seen.ndim == 5 else describe_pictures)(method, seen, field=field)
    found = {name: reduce(value.float()) for name, value in said.items()}
    if "what" in said and said["what"] is said.get("where"):
        found["what"] = found["where"]
    return found


def _named(codes: Codes, batch_dims: int) -> dict[str, Tensor]:
    where = codes.where.flatten(batch_dims)
    same = codes.where is codes.what
    return {"where": where, "what": where if same else codes.what.flatten(batch_dims)}


def _joined(parts: list[dict[str, Tensor]], shape: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """Rows of all parts by name; what is one tensor in the parts stays one."""
    joined: dict[str, Tensor] = {}
    for name, first in parts[0].items():
        if name == "what" and first is parts[0].get("where"):
            joined[name] = joined["where"]
        else:
            joined[name] = shape(torch.cat([part[name] for part in parts]))
    return joined
