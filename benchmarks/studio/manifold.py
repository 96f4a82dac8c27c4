"""A plane of *where* to move in while *what* stays (Helminger et al. 2018, Figures 3 and 4a).

The state is the *where* code of the frame: ``{"where": [0.3, -1.2]}``.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Final

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from benchmarks.code_pictures import as_batch
from benchmarks.manifold_pictures import axes_of, grid_points, mosaic
from benchmarks.schema import describe
from benchmarks.studio.desk import Array, Painted, Slot, coloured, eased, plain
from lightning_modules.interface import Codes, HasConditionalPrior, Method

DRAWN: Final = 400
"""Codes drawn from the prior, which say where on the plane frames are likely."""
_SEED: Final = 0
_QUALITY: Final = 80

Finite = Annotated[float, Field(allow_inf_nan=False)]


class PlaneState(BaseModel):
    """The *where* code of the frame."""

    model_config = ConfigDict(extra="forbid")

    where: list[Finite]


class PaintPlaces(nn.Module):
    """Places of the plane and one *what* -> frames."""

    def __init__(self, method: HasConditionalPrior) -> None:
        super().__init__()
        assert isinstance(method, nn.Module)
        self.method: Any = method

    def forward(self, where: Tensor, what: Tensor) -> Tensor:
        """Frames (N, C, S, S) in [0, 1] of *where* codes (N, Dz) and *what* (1, Df)."""
        codes = Codes(where[None], what.expand(1, len(where), -1))
        frames: Tensor = self.method.decode_clip(codes)[0]
        return frames.clamp(0, 1)


class ManifoldDesk:
    """Moves the *where* code of a frame over a plane; *what* stays that of the picture.

    Of a longer code the two numbers that vary most make the plane, and the page keeps the others.

    Args:
        method: with a *what* code of clips and a *where* code of frames, in evaluation mode.
    """

    kind: ClassVar[str] = "manifold"
    slots: ClassVar[tuple[Slot, ...]] = ("main",)

    def __init__(self, method: Method) -> None:
        assert isinstance(method, HasConditionalPrior)
        self.method: Any = method
        self.painter = PaintPlaces(method)
        self._codes: Codes | None = None

    @property
    def codes(self) -> Codes:
        """Of the picture that is open: *where* (1, 1, Dz), *what* (1, 1, Df)."""
        assert self._codes is not None, "no picture is open"
        return self._codes

    @torch.no_grad()
    def open(self, slot: Slot, image: Array) -> None:
        """Read both codes of a picture, taken for a clip of one frame."""
        self._codes = self.method.encode_clip(as_batch(self.method, image[None])[None])

    @torch.no_grad()
    def about(self) -> dict[str, Any]:
        """The frame's own code, codes that are likely for its *what*, and the plane, painted."""
        generator = torch.Generator().manual_seed(_SEED)
        drawn = self.method.draw_where_given(self.codes.what[:, 0], DRAWN, generator)
        pair, across, up = axes_of(drawn)
        spans = [_span(along) for along in (across, up)]
        points = grid_points(drawn, pair, across, up)
        points[:, _others(pair, points.shape[1])] = self.codes.where[0, 0][
            _others(pair, points.shape[1])
        ]
        painted = mosaic(coloured(self._decoded(points)))
        return {
            "own": plain(self.codes.where[0, 0]),
            "pair": pair,
            "spans": spans,
            "drawn": plain(drawn[0][:, pair], 3),
            "plane": _address(painted),
        }

    @torch.no_grad()
    def paint(self, state: Any) -> Painted:
        """Paint a *where* code."""
        where = self._where(state)
        return Painted(coloured(self._decoded(where[None])), {"where": plain(where)})

    @torch.no_grad()
    def film(self, state: Any) -> Iterator[Array]:
        """From the frame's own place to that of the state, along a line."""
        end = self._where(state)
        for share in eased():
            where = torch.lerp(self.codes.where[0, 0], end, share)
            yield coloured(self._decoded(where[None]))[0]

    def _where(self, state: Any) -> Tensor:
        own = self.codes.where[0, 0]
        try:
            where = PlaneState.model_validate(state).where
        except ValidationError as error:
            raise ValueError(f"this is no place on the plane: {describe(error)}") from error
        if len(where) != len(own):
            raise ValueError(f"where has {len(own)} numbers, not {len(where)}")
        return own.new_tensor(where)

    def _decoded(self, where: Tensor) -> Tensor:
        """Frames (N, C, H, W) of *where* codes (N, Dz)."""
        frames: Tensor = self.painter(where, self.codes.what[0])
        return frames


def _span(along: Array) -> tuple[float, float]:
    """Ends of an axis of the plane: half a step beyond the first and the last painted point."""
    half = float(np.ptp(along)) / (len(along) - 1) / 2
    return float(along[0]) - half, float(along[-1]) + half


def _others(pair: list[int], size: int) -> list[int]:
    return [number for number in range(size) if number not in pair]


def _address(picture: Array) -> str:
    """A picture (H, W, 3) uint8 as a ``data:`` address."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
