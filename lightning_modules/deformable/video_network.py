"""The generators of clips (Xing et al., TPAMI 2022, section 4 and Table V)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lightning_modules.deformable.dynamics import Dynamics, Transition, TransitionKind
from lightning_modules.deformable.network import Generators, Head, Painted, PaintShape
from lightning_modules.layers.deconv import START, Tower

_UNTRACKED = 240
"""Frames painted at a time where no gradient is asked for: what bounds the memory."""


@dataclass(frozen=True)
class VideoShape(PaintShape):
    """Sizes of the generators and transitions; the defaults are the paper's.

    The two generators differ in depth, so each has widths of its own. ``balance`` is beta of the
    second scheme (paper), ``appearance_ratio`` alpha of the first; both apply. Under the
    second scheme the transitions are equalised, too, both with a factor of 1.

    Args:
        appearance_noise: length of xi of the appearance stream.
        geometry_noise: length of xi of the geometric stream.
        appearance_channels: widths of the appearance generator, at 4 x 4 and after every layer but
            the last.
        appearance_kernels: of its layers.
        appearance_strides: of its layers; their product is a quarter of ``image_size``.
        geometry_channels: widths of the geometric generator.
        geometry_kernels: of its layers.
        geometry_strides: of its layers.
        appearance_ratio: multiplies ``appearance_channels``.
        hidden: widths of the transitions' hidden layers.
        transition: see `Transition`, and so the rest.
        truncate: frames after which no gradient goes further back; 0 for never.
        transition_start: of the transitions' last layers.
    """

    appearance_dim: int = 60
    geometry_dim: int = 30
    head: Head = "tanh"
    balance: float | None = 0.3
    appearance_noise: int = 3
    geometry_noise: int = 10
    appearance_channels: Sequence[int] = (512, 512, 256, 128, 64)
    appearance_kernels: Sequence[int] = (3, 3, 3, 3, 5)
    appearance_strides: Sequence[int] = (2, 2, 2, 2, 1)
    geometry_channels: Sequence[int] = (256, 128, 64)
    geometry_kernels: Sequence[int] = (4, 4, 5)
    geometry_strides: Sequence[int] = (4, 4, 1)
    appearance_ratio: float = 1.0
    hidden: Sequence[int] = (20, 20)
    transition: TransitionKind = "mlp"
    truncate: int = 0
    transition_start: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("appearance", "geometry"):
            layers = [
                getattr(self, f"{name}_{part}") for part in ("channels", "kernels", "strides")
            ]
            if len({len(values) for values in layers}) > 1:
                raise ValueError(
                    f"{name}_channels, _kernels and _strides differ in length: "
                    f"{', '.join(str(list(values)) for values in layers)}"
                )
            reach = START * math.prod(layers[2])
            if reach != self.image_size:
                raise ValueError(
                    f"{name}_strides {list(layers[2])} grow pictures of {reach} px, image_size is "
                    f"{self.image_size}; their product must be a {START}th of it"
                )

    def towers(self) -> tuple[Tower, Tower]:
        """Networks for the canonical frame and for the field."""
        appearance = Tower(
            self.appearance_dim,
            [int(self.appearance_ratio * width) for width in self.appearance_channels],
            self.appearance_kernels,
            self.image_channels,
            balance=None if self.balance is None else 1.0,
            strides=self.appearance_strides,
        )
        geometry = Tower(
            self.geometry_dim,
            self.geometry_channels,
            self.geometry_kernels,
            2,
            balance=self.balance,
            strides=self.geometry_strides,
        )
        return appearance, geometry

    def dynamics(self) -> Dynamics:
        """The two transitions."""
        sizes = (
            (self.appearance_dim, self.appearance_noise),
            (self.geometry_dim, self.geometry_noise),
        )
        appearance, geometry = (
            Transition(
                state,
                noise,
                self.hidden,
                self.transition,
                self.truncate,
                self.transition_start,
                equalised=self.balance is not None,
            )
            for state, noise in sizes
        )
        return Dynamics(appearance, geometry)


class VideoGenerators(nn.Module):
    """Flat codes -> codes of every frame -> canonical frames and fields -> clip.

    All frames are painted at once, as a batch; only the transitions go through time.

    Args:
        shape: of generators and transitions.
        checkpoint_frames: paint so many frames at a time and paint them again for their gradient
            (`torch.utils.checkpoint`): the same numbers by less memory and a third more work. 0
            keeps everything.
    """

    def __init__(self, shape: VideoShape, checkpoint_frames: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.checkpoint_frames = checkpoint_frames
        self.frame = Generators(shape)
        self.dynamics = shape.dynamics()

    def forward(self, flat: Tensor, frames: int) -> Painted:
        """Paint clips from flat codes (B, size), see `Dynamics`; shapes as in `paint`."""
        what, where = self.dynamics(flat, frames)
        return self.paint(what, where)

    def paint(self, what: Tensor, where: Tensor) -> Painted:
        """Paint clips from codes (B, T, D): all that is in `Painted`, with (B, T) in front."""
        codes = torch.cat([what, where], 2)
        rows = codes.flatten(0, 1)
        pieces = [self._piece(part) for part in torch.split(rows, self._at_once(len(rows)))]
        return Painted(*(_joined(parts, codes) for parts in zip(*pieces, strict=True)))

    def displacement(self, where: Tensor) -> Tensor:
        """Fields (B, T, 2, S, S) of geometric codes (B, T, D)."""
        rows = where.flatten(0, 1)
        fields = map(self.frame.displacement, torch.split(rows, self._at_once(len(rows))))
        return _joined([field for field in fields if field is not None], where)

    def canonical(self, what: Tensor) -> Tensor:
        """Canonical frames (B, T, C, S, S) of appearance codes (B, T, D)."""
        rows = what.flatten(0, 1)
        return _joined(map(self.frame.canonical, torch.split(rows, self._at_once(len(rows)))), what)

    def error(self, painted: Tensor, clip: Tensor) -> Tensor:
        """Squared error (B,) summed over clips in [0, 1], in the range the head speaks of."""
        return self.frame.error(painted, clip)

    def _piece(self, rows: Tensor) -> Painted:
        if not (self.checkpoint_frames and torch.is_grad_enabled()):
            whole: Painted = self.frame(rows)
            return whole
        again: Painted = checkpoint(self.frame, rows, use_reentrant=False, preserve_rng_state=False)
        return again

    def _at_once(self, rows: int) -> int:
        if torch.is_grad_enabled():
            return self.checkpoint_frames or max(rows, 1)
        return min(self.checkpoint_frames or _UNTRACKED, _UNTRACKED)


def _joined(pieces: Iterable[Tensor], codes: Tensor) -> Tensor:
    """Pieces of B * T frames as (B, T, ...), with B and T those of codes (B, T, D)."""
    whole = torch.cat(list(pieces))
    return whole.view(*codes.shape[:2], *whole.shape[1:])
